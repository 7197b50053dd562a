// The bytes of one client: reading and writing whole messages on a socket.
#pragma once

#include <chrono>
#include <mutex>

#include "base/bytes.h"
#include "base/file.h"

namespace rekindle::nbd {

// One thread reads; any number of threads send. Errors: `unavailable` (the client is gone, or took nothing
// for a minute).
class Connection {
 public:
  explicit Connection(FileDescriptor socket);

  // Exactly as many bytes.
  Result<> receive(ByteSpan bytes);
  // Reads and throws away.
  Result<> skip(std::uint64_t length);
  template <typename T>
  Result<T> receive_number() {
    std::byte bytes[sizeof(T)];
    TRY(receive(bytes));
    return load_be<T>(bytes);
  }
  // How long a read may wait; zero: for ever.
  void set_patience(std::chrono::seconds patience);

  // One message of two parts, whole, never mixed with that of another thread.
  Result<> send(ByteView head, ByteView body = {});

  // Makes all reads and writes fail from now on; any thread.
  void shut();

 private:
  const FileDescriptor socket_;
  std::mutex sending_;
};

// Builds a message.
class Message {
 public:
  template <typename T>
  Message& number(T value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    store_be<T>(bytes_.data() + at, value);
    return *this;
  }
  Message& text(std::string_view text) {
    const ByteView view = as_bytes(text);
    bytes_.insert(bytes_.end(), view.begin(), view.end());
    return *this;
  }
  Message& zeros(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

}  // namespace rekindle::nbd
