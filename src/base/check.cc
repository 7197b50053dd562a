#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace rekindle {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: this is a defect of Rekindle: CHECK(%s) does not hold\n", file, line,
               condition);
  std::abort();
}

}  // namespace rekindle
