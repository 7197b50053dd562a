// Who holds a lease: "machine id/boot id/pid/start time in clock ticks since boot". Not the host name: two
// machines may share it, and a restored or renamed one must not take a dead process for a living one.
#include <unistd.h>

#include <sstream>

#include "base/file.h"
#include "catalog/catalog.h"

namespace rekindle {

namespace {

constexpr const char* boot_id = "/proc/sys/kernel/random/boot_id";

std::string first_line(const char* path) {
  const auto content = read_text_file(path);
  return content.ok() ? content->substr(0, content->find('\n')) : std::string();
}

// The host name where there is no machine id, as in small containers.
std::string machine_id() {
  std::string id = first_line("/etc/machine-id");
  if (!id.empty()) return id;
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
  return fmt::format("{}/{}/{}/{}", machine_id(), first_line(boot_id), pid, start_time(pid));
}

bool owner_lives(const std::string& owner) {
  std::vector<std::string> parts;
  std::istringstream in(owner);
  for (std::string part; std::getline(in, part, '/');) parts.push_back(part);
  if (parts.size() != 4) return false;
  if (parts[0] != machine_id()) return true;
  if (parts[1] != first_line(boot_id)) return false;  // this machine was started again since
  const std::string started = start_time(parts[2]);
  return !started.empty() && started == parts[3];
}

}  // namespace rekindle
