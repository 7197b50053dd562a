// versitygw, an S3 server that nobody here wrote, as a peer for tests: on a free loopback port, on a
// directory of its own, with versions; stopped with its owner. It verifies signatures, keeps locks, and knows
// conditional puts.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "aws/s3_client.h"
#include "aws/service_client.h"
#include "base/file.h"
#include "base/peers_for_tests.h"
#include "base/process.h"
#include "net/curl_transport.h"

namespace rekindle {

class S3Server {
 public:
  static constexpr const char* region = "eu-central-1";
  static inline const AwsCredentials credentials{"AKIDEXAMPLE", "secret/with+signs=", ""};

  // Where tools/peers/versitygw puts it; empty if it is not there.
  static std::filesystem::path program() {
    const auto path = peers_folder() / "bin" / "versitygw";
    return ::access(path.c_str(), X_OK) == 0 ? path : std::filesystem::path();
  }

  static Result<std::unique_ptr<S3Server>> start() {
    for (int attempt = 1;; ++attempt) {
      auto directory = TRY(TemporaryDirectory::make("s3"));
      std::unique_ptr<S3Server> server(new S3Server(std::move(directory), TRY(free_port())));
      for (const char* folder : {"buckets", "versions"})
        TRY(make_directories(server->directory_.path() / folder));
      const auto started = server->start_again();
      if (started.ok()) return server;
      if (attempt == 5) return started.error();  // before that, another may have been faster to take the port
    }
  }

  // Of this process, for tests that need no server of their own.
  static S3Server& shared() {
    static const std::unique_ptr<S3Server> server = start().value();
    return *server;
  }

  ~S3Server() { kill(); }
  S3Server(const S3Server&) = delete;
  S3Server& operator=(const S3Server&) = delete;

  void kill() {
    if (pid_ > 0) kill_process(std::exchange(pid_, 0));
  }

  // On the same port and directory.
  Result<> start_again() {
    const auto output = directory_.path() / "output";
    pid_ = TRY(start_daemon(
        {program(), "--access", credentials.access_key_id, "--secret", credentials.secret_access_key,
         "--region", region, "--port", fmt::format("127.0.0.1:{}", port_), "--keep-alive", "--quiet", "posix",
         "--versioning-dir", directory_.path() / "versions", directory_.path() / "buckets"},
        {.output = output}));
    for (int i = 0; i < 1200 && process_lives(pid_, "versitygw"); ++i) {
      HttpRequest hello;
      hello.url = url();
      if (CurlTransport().send(hello).ok() && process_lives(pid_, "versitygw")) return {};
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return error(ErrorCode::internal, "versitygw did not start: {}", TRY(read_text_file(output)));
  }

  Result<> make_bucket(const std::string& name, bool object_lock = false) {
    CurlTransport transport;
    SystemClock clock;
    SystemRandom random;
    auto service = TRY(ServiceClient::make({"s3", region, url(), credentials}, transport, clock, random));
    ServiceCall call;
    call.action = "CreateBucket";
    call.path = "/" + name;
    call.request.method = "PUT";
    if (object_lock) call.request.headers.add("x-amz-bucket-object-lock-enabled", "true");
    TRY(service->call(std::move(call)));
    return {};
  }

  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  S3BucketOptions bucket(const std::string& name) const { return {name, region, url(), {}, credentials}; }

 private:
  S3Server(TemporaryDirectory directory, int port) : directory_(std::move(directory)), port_(port) {}

  // It takes no port 0, so this takes one that is free now.
  static Result<int> free_port() {
    const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.get(), generic, length) != 0 || ::getsockname(socket.get(), generic, &length) != 0)
      return errno_error(errno, "finding a free port");
    return ntohs(address.sin_port);
  }

  TemporaryDirectory directory_;
  const int port_;
  pid_t pid_ = 0;
};

}  // namespace rekindle

#define SKIP_WITHOUT_S3_SERVER()                                                                            \
  if (::rekindle::S3Server::program().empty()) {                                                            \
    GTEST_SKIP()                                                                                            \
        << "NOT TESTED against an S3 server, which is not installed: call tools/peers/versitygw to get it"; \
  }                                                                                                         \
  static_assert(true)
