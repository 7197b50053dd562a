#include "base/file_limit.h"

#include <sys/resource.h>

#include <cerrno>

#include "base/log.h"
#include "base/result.h"

namespace rekindle {

std::uint64_t raise_open_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur >= limit.rlim_max) return limit.rlim_cur;
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return raised.rlim_cur;
  log::warn("this process may open {} files only ({}): replicate few disks at a time", limit.rlim_cur,
            std::generic_category().message(errno));
  return limit.rlim_cur;
}

}  // namespace rekindle
