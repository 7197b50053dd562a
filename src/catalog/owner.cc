// Who holds a lease: "host/pid/start time in clock ticks since boot".
#include <unistd.h>

#include <charconv>

#include "base/file.h"
#include "catalog/catalog.h"

namespace rekindle {

namespace {

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// Field 22 of /proc/<pid>/stat; the second field (the name) may itself hold spaces and parentheses.
// Empty for a process that is gone or only waits for its parent to look (a zombie).
std::string start_time(const std::string& pid) {
  const auto stat = read_text_file("/proc/" + pid + "/stat");
  if (!stat.ok()) return {};
  std::size_t position = stat->rfind(')');
  if (position == std::string::npos || stat->compare(position, 4, ") Z ") == 0) return {};
  for (int field = 2; field < 22 && position != std::string::npos; ++field)
    position = stat->find(' ', position + 1);
  if (position == std::string::npos) return {};
  return stat->substr(position + 1, stat->find(' ', position + 1) - position - 1);
}

}  // namespace

std::string process_owner() {
  const std::string pid = std::to_string(::getpid());
  return host_name() + "/" + pid + "/" + start_time(pid);
}

bool owner_lives(const std::string& owner) {
  const auto last = owner.rfind('/');
  const auto middle = last == std::string::npos ? last : owner.rfind('/', last - 1);
  if (middle == std::string::npos) return false;
  if (owner.substr(0, middle) != host_name()) return true;
  const std::string pid = owner.substr(middle + 1, last - middle - 1);
  return start_time(pid) == owner.substr(last + 1) && !start_time(pid).empty();
}

}  // namespace rekindle
