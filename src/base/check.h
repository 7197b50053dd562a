// CHECK(condition): a broken promise inside the program. Stays on in production, prints and aborts;
// what the outside world can cause is an Error (base/result.h), never a CHECK.
#pragma once

namespace rekindle {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace rekindle

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::rekindle::check_failed(#condition, __FILE__, __LINE__))
