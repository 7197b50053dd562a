// moto, an AWS simulator that nobody here wrote, as a peer for tests: started on a free loopback port,
// stopped with its owner. It verifies no signatures, keeps no quotas and is wrong in places; where it differs
// from AWS's documentation, the documentation wins and the test does not ask.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "base/file.h"
#include "base/peers_for_tests.h"
#include "base/process.h"

namespace rekindle {

class MotoServer {
 public:
  // Where tools/peers/moto puts it; empty if it is not there.
  static std::filesystem::path program() {
    const auto venv = peers_folder() / "moto";
    const bool complete = std::filesystem::exists(venv / ".complete");
    return complete ? venv / "bin" / "moto_server" : std::filesystem::path();
  }

  static Result<std::unique_ptr<MotoServer>> start() {
    auto directory = TRY(TemporaryDirectory::make("moto"));
    const auto output = directory.path() / "output";
    const pid_t pid = TRY(start_daemon({program(), "-H", "127.0.0.1", "-p", "0"}, {.output = output}));
    std::unique_ptr<MotoServer> server(new MotoServer(std::move(directory), pid));
    for (int i = 0; i < 1200 && process_lives(pid, "moto_server"); ++i) {
      server->url_ = url_in(read_text_file(output).ok() ? *read_text_file(output) : "");
      if (!server->url_.empty()) return server;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const std::string printed = TRY(read_text_file(output));
    return error(ErrorCode::internal, "moto_server did not start: {}", printed);
  }

  ~MotoServer() { kill_process(pid_); }
  MotoServer(const MotoServer&) = delete;
  MotoServer& operator=(const MotoServer&) = delete;

  const std::string& url() const { return url_; }  // "http://127.0.0.1:12345"

 private:
  MotoServer(TemporaryDirectory directory, pid_t pid) : directory_(std::move(directory)), pid_(pid) {}

  // It prints " * Running on http://127.0.0.1:12345" and the end of the line.
  static std::string url_in(const std::string& printed) {
    const auto at = printed.find("http://127.0.0.1:");
    const auto end = printed.find('\n', at == std::string::npos ? 0 : at);
    if (at == std::string::npos || end == std::string::npos) return {};
    return printed.substr(at, printed.find_first_not_of("0123456789", at + 17) - at);
  }

  TemporaryDirectory directory_;
  pid_t pid_;
  std::string url_;
};

}  // namespace rekindle

#define SKIP_WITHOUT_MOTO()                                                                             \
  if (::rekindle::MotoServer::program().empty()) {                                                      \
    GTEST_SKIP() << "NOT TESTED against moto, which is not installed: call tools/peers/moto to get it"; \
  }                                                                                                     \
  static_assert(true)
