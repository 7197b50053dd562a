// Writing and reading the vault's binary structures: little-endian, lengths before contents.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace rekindle {

class WireWriter {
 public:
  template <typename T>
  void number(T value) {
    std::byte raw[sizeof(T)];
    store_le<T>(raw, value);
    bytes(raw);
  }
  void bytes(ByteView view) { out_.insert(out_.end(), view.begin(), view.end()); }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes(as_bytes(value));
  }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

// Reads bytes that anybody may have written. Reading past the end gives zeros and makes ok() false from then
// on, so that a parser may read on and ask once; it must ask fits() before it allocates by a number it has
// read.
class WireReader {
 public:
  explicit WireReader(ByteView in) : in_(in) {}

  template <typename T>
  T number() {
    const ByteView raw = bytes(sizeof(T));
    return raw.empty() ? T{0} : load_le<T>(raw.data());
  }
  ByteView bytes(std::uint64_t count) {
    if (count > in_.size()) {
      ok_ = false;
      in_ = {};
    }
    if (!ok_) return {};
    const ByteView taken = in_.first(count);
    in_ = in_.subspan(count);
    return taken;
  }
  template <std::size_t N>
  std::array<std::byte, N> array() {
    std::array<std::byte, N> result{};
    std::ranges::copy(bytes(N), result.begin());
    return result;
  }
  std::string text() { return std::string(as_text(bytes(number<std::uint32_t>()))); }

  // Whether `count` things of at least `size` bytes each can still come; if not, ok() is false.
  bool fits(std::uint64_t count, std::uint64_t size) {
    ok_ = ok_ && count <= in_.size() / size;
    return ok_;
  }
  bool ok() const { return ok_; }
  // All was there, and nothing is left over.
  bool complete() const { return ok_ && in_.empty(); }

 private:
  ByteView in_;
  bool ok_ = true;
};

}  // namespace rekindle
