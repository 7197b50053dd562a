#include "base/file_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/result.h"

namespace rekindle {

namespace {

constexpr rlim_t enough = 65536;
rlimit before{};  // all zero as long as nothing was raised

}  // namespace

std::uint64_t raise_open_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit raised{std::max(limit.rlim_cur, std::min(limit.rlim_max, enough)), limit.rlim_max};
  if (raised.rlim_cur == limit.rlim_cur) return limit.rlim_cur;
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
    before = limit;
    return raised.rlim_cur;
  }
  log::warn("this process may open {} files only ({}): replicate few disks at a time", limit.rlim_cur,
            std::generic_category().message(errno));
  return limit.rlim_cur;
}

void restore_open_files() {
  if (before.rlim_max != 0) static_cast<void>(setrlimit(RLIMIT_NOFILE, &before));
}

}  // namespace rekindle
