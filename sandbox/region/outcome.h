// The answer of an AWS call: a value, or a refusal in AWS's words (a code clients react to, an HTTP status).
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/result.h"

namespace rekindle::sandbox {

struct Refusal {
  std::string code;
  std::string message;
  int status = 400;
  std::string reason = {};  // EBS direct APIs only: the "Reason" member

  // What TRY calls; AWS's messages are quoted by clients, so nothing is put before them.
  template <typename... Args>
  Refusal context(Args&&... /*what*/) && {
    return std::move(*this);
  }
};

template <typename... Args>
Refusal refuse(std::string_view code, fmt::format_string<Args...> format, Args&&... args) {
  return {std::string(code), fmt::format(format, std::forward<Args>(args)...)};
}

// The sandbox itself failed (disk full, QEMU missing): InternalError, with the sentence that says why.
inline Refusal internal_failure(const Error& error) {
  return {"InternalError", "The sandbox failed: " + error.message(), 500};
}

// Result<T>'s twin with a Refusal instead of an Error; works with TRY, and takes the Error of a Result as
// InternalError, so that one function may TRY both.
template <typename T = void>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : value_(std::move(value)) {}                      // NOLINT(google-explicit-constructor)
  Outcome(Refusal refusal) : refusal_(std::move(refusal)) {}          // NOLINT(google-explicit-constructor)
  Outcome(const Error& error) : refusal_(internal_failure(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  T value() && {
    CHECK(ok());
    return std::move(*value_);
  }
  const T& operator*() const& {
    CHECK(ok());
    return *value_;
  }
  const T* operator->() const { return &**this; }
  Refusal error() && {
    CHECK(!ok());
    return std::move(*refusal_);
  }

 private:
  std::optional<T> value_;
  std::optional<Refusal> refusal_;
};

template <>
class [[nodiscard]] Outcome<void> {
 public:
  Outcome() = default;
  Outcome(Refusal refusal) : refusal_(std::move(refusal)) {}          // NOLINT(google-explicit-constructor)
  Outcome(const Error& error) : refusal_(internal_failure(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !refusal_.has_value(); }
  void value() const { CHECK(ok()); }
  Refusal error() && {
    CHECK(!ok());
    return std::move(*refusal_);
  }

 private:
  std::optional<Refusal> refusal_;
};

}  // namespace rekindle::sandbox
