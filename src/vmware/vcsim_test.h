// vcsim, govmomi's vSphere simulator, as a peer for tests: started on a free loopback port, stopped with its
// owner.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/peers_for_tests.h"
#include "base/process.h"

namespace rekindle {

class Vcsim {
 public:
  static constexpr const char* user = "user";
  static constexpr const char* password = "pass<&>'\"";  // also a test of escaping

  // Where tools/peers/vcsim puts it; empty if it is not there.
  static std::filesystem::path program() {
    const auto path = peers_folder() / "bin" / "vcsim";
    return ::access(path.c_str(), X_OK) == 0 ? path : std::filesystem::path();
  }

  static Result<std::unique_ptr<Vcsim>> start(const std::vector<std::string>& flags) {
    auto directory = TRY(TemporaryDirectory::make("vcsim"));
    const auto output = directory.path() / "output";
    std::vector<std::string> argv = {program(), "-l",        "127.0.0.1:0", "-username",
                                     user,      "-password", password};
    argv.insert(argv.end(), flags.begin(), flags.end());
    const pid_t pid = TRY(start_daemon(argv, {.output = output}));
    std::unique_ptr<Vcsim> vcsim(new Vcsim(std::move(directory), pid));
    for (int i = 0; i < 600 && process_lives(pid, "vcsim"); ++i) {
      vcsim->url_ = url_in(read_text_file(output).ok() ? *read_text_file(output) : "");
      if (!vcsim->url_.empty()) return vcsim;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return error(ErrorCode::internal, "vcsim did not start: {}", TRY(read_text_file(output)));
  }

  ~Vcsim() { kill_process(pid_); }
  Vcsim(const Vcsim&) = delete;
  Vcsim& operator=(const Vcsim&) = delete;

  const std::string& url() const { return url_; }  // "https://127.0.0.1:12345/sdk"

 private:
  Vcsim(TemporaryDirectory directory, pid_t pid) : directory_(std::move(directory)), pid_(pid) {}

  // It prints "export GOVC_URL=https://user:password@host:port/sdk GOVC_SIM_PID=...".
  static std::string url_in(const std::string& printed) {
    const auto at = printed.rfind('@');
    const auto end = printed.find("/sdk", at == std::string::npos ? 0 : at);
    if (at == std::string::npos || end == std::string::npos) return {};
    return "https://" + printed.substr(at + 1, end - at - 1) + "/sdk";
  }

  TemporaryDirectory directory_;
  pid_t pid_;
  std::string url_;
};

}  // namespace rekindle

#define SKIP_WITHOUT_VCSIM()                                                                              \
  if (::rekindle::Vcsim::program().empty()) {                                                             \
    GTEST_SKIP() << "NOT TESTED against vcsim, which is not installed: call tools/peers/vcsim to get it"; \
  }                                                                                                       \
  static_assert(true)
