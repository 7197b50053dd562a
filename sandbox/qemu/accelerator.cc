#include "sandbox/qemu/accelerator.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/log.h"
#include "base/process.h"

namespace rekindle::sandbox {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// The probe lies in the source tree, which holds either the program or the folder it was started in.
fs::path find_probe() {
  std::error_code failure;
  for (fs::path from : {fs::current_path(failure), fs::read_symlink("/proc/self/exe", failure)}) {
    for (; !from.empty(); from = from.parent_path()) {
      const fs::path probe = from / "sandbox/guests/probe-accel";
      if (fs::exists(probe, failure)) return probe;
      if (from == from.root_path()) break;
    }
  }
  return {};
}

std::vector<std::string> probe() {
  const fs::path program = find_probe();
  if (!program.empty()) {
    const auto answer = run_tool({program.string()});
    if (answer.ok() && !words_of(*answer).empty()) return words_of(*answer);
    if (!answer.ok())
      log::warn("finding out whether KVM works: {}; emulating the CPU", answer.error().message());
  }
  return {"-accel", "tcg,thread=multi,tb-size=256"};
}

// Nehalem: what the probe booted, and the smallest CPU that current distributions run on; a bigger one costs
// emulation time.
std::vector<std::string> choose() {
  if (const char* words = std::getenv("REKINDLE_QEMU_ACCEL"); words != nullptr && *words != '\0') {
    return words_of(words);
  }
  std::vector<std::string> arguments = probe();
  arguments.insert(arguments.end(), {"-cpu", "Nehalem"});
  return arguments;
}

}  // namespace

std::vector<std::string> accelerator_arguments() {
  static const std::vector<std::string> chosen = choose();
  return chosen;
}

}  // namespace rekindle::sandbox
