#include "sandbox/commands/serve_disk.h"

#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/file.h"
#include "sandbox/datacenter/datacenter.h"

namespace rekindle::sandbox {

namespace {

constexpr std::chrono::milliseconds look_pause{500};

// The first line, as nbdkit reads it.
Result<std::string> password_in(const std::filesystem::path& file) {
  const std::string text = TRY(read_text_file(file), "the password file");
  return text.substr(0, text.find('\n'));
}

// The datacenter may have closed it: its server of the disk died, or the datacenter was started anew.
Result<> check_served(const DatacenterClient& client, const DiskRequest& request) {
  const nlohmann::json machines = TRY(client.machines());
  for (const auto& machine : machines) {
    if (machine.value("id", "") != request.machine) continue;
    const auto open = machine.value("open_disks", std::vector<std::string>());
    if (std::ranges::find(open, request.file) != open.end()) return {};
  }
  return error(ErrorCode::unavailable, "the datacenter does not serve {} any more", request.file);
}

}  // namespace

Result<> serve_disk(const ServeDiskOptions& options, std::stop_token stop) {
  const auto client = DatacenterClient::at(options.host, options.port, options.thumbprint);
  const std::string password = TRY(password_in(options.password_file));
  const DiskRequest request{options.user, password,       options.machine,
                            options.file, options.socket, static_cast<int>(::getpid())};
  TRY(client.open_disk(request), "opening {}", options.file);
  SystemClock clock;
  while (clock.sleep(look_pause, stop)) TRY(check_served(client, request));
  return client.close_disk(request);
}

}  // namespace rekindle::sandbox
