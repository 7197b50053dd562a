// Errors are values. Result<T> holds a T or an Error; an Error is a code, which callers react to, and a
// sentence, which grows from the inside out as it travels up:
//
//   auto id = TRY(ebs.start_snapshot(size), "starting a snapshot of {}", disk.name);
//
// reads "replicating web: disk 2000: starting a snapshot of disk-1: connection reset".
// TRY is a whole statement or a whole right-hand side, never part of a larger expression (g++ 12 leaks the
// temporaries of an expression around a statement-expression return).
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace rekindle {

enum class ErrorCode {
  invalid_argument,     // the caller or the user asked for something that cannot be
  not_found,            // the thing named does not exist (any more)
  already_exists,       // the thing to be made is there already
  permission_denied,    // known who, but not allowed
  unauthenticated,      // not known who: bad password, wrong key, expired session
  failed_precondition,  // right request, wrong state (needs a full backup, VM is running, ...)
  exhausted,            // no space, no quota, no capacity, no free address
  corrupt,              // stored bytes are not what was written
  unavailable,          // lost connection, timeout, throttled, busy: the same call may work later
  cancelled,            // the user said stop
  internal,             // the other side (or we) broke its own contract
};

std::string_view to_string(ErrorCode code);

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  // Whether the same call may succeed later without anybody changing anything.
  bool transient() const { return code_ == ErrorCode::unavailable; }

  // Puts "what was being done: " before the message.
  Error context() && { return std::move(*this); }
  Error context(std::string_view what) && { return {code_, fmt::format("{}: {}", what, message_)}; }
  template <typename... Args>
    requires(sizeof...(Args) > 0)
  Error context(fmt::format_string<Args...> format, Args&&... args) && {
    return {code_, fmt::format("{}: {}", fmt::format(format, std::forward<Args>(args)...), message_)};
  }

 private:
  ErrorCode code_;
  std::string message_;
};

template <typename... Args>
Error error(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return {code, fmt::format(format, std::forward<Args>(args)...)};
}

// An Error from errno (or another errno value): ENOSPC -> exhausted, ENOENT -> not_found, ...
Error errno_error(int errno_value, std::string_view what);

template <typename T = void>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  // NOLINTNEXTLINE(google-explicit-constructor): "return value;" and "return error(...)" are the point
  Result(T value) : value_(std::in_place, std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  template <typename U>
    requires(std::is_convertible_v<U &&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> &&
             !std::is_same_v<std::remove_cvref_t<U>, Result>)
  Result(U&& value) : value_(std::in_place, std::forward<U>(value)) {}  // NOLINT

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }

  T& value() & {
    CHECK(ok());
    return *value_;
  }
  const T& value() const& {
    CHECK(ok());
    return *value_;
  }
  // By value: so that TRY's statement expression owns what it yields.
  T value() && {
    CHECK(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    CHECK(!ok());
    return *error_;
  }
  Error error() && {
    CHECK(!ok());
    return std::move(*error_);
  }

 private:
  std::optional<T> value_;
  std::optional<Error> error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const { CHECK(ok()); }
  const Error& error() const& {
    CHECK(!ok());
    return *error_;
  }
  Error error() && {
    CHECK(!ok());
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace rekindle

// Yields the value, or returns the error (with a context sentence, if given) from the function.
#define TRY(expression, ...) REKINDLE_TRY(REKINDLE_JOIN(try_result_, __COUNTER__), expression, __VA_ARGS__)

// The name of the local is unique, so that a TRY may hold a lambda that holds another.
#define REKINDLE_JOIN(a, b) REKINDLE_JOIN_EXPANDED(a, b)
#define REKINDLE_JOIN_EXPANDED(a, b) a##b
#define REKINDLE_TRY(result, expression, ...)                \
  __extension__({                                            \
    auto result = (expression);                              \
    if (!result.ok()) {                                      \
      return std::move(result).error().context(__VA_ARGS__); \
    }                                                        \
    std::move(result).value();                               \
  })
