#include "guest/guest_services.h"

#include <cctype>

namespace rekindle {

namespace {

constexpr const char* unit_folders[] = {"/etc/systemd/system", "/usr/lib/systemd/system",
                                        "/lib/systemd/system"};
constexpr const char* script_folders[] = {"/etc/rcS.d", "/etc/rc2.d",      "/etc/rc3.d",
                                          "/etc/rc5.d", "/etc/rc.d/rc3.d", "/etc/rc.d/rc5.d"};

// "S10network" starts network.
std::string started_by(const std::string& link) {
  const bool starts = link.size() > 3 && link[0] == 'S' &&
                      std::isdigit(static_cast<unsigned char>(link[1])) != 0 &&
                      std::isdigit(static_cast<unsigned char>(link[2])) != 0;
  return starts ? link.substr(3) : "";
}

}  // namespace

Result<bool> is_switched_off(Ext4Volume& root, const std::string& path) {
  const auto info = root.info(path);
  if (!info.ok()) {
    if (info.error().code() == ErrorCode::not_found) return false;
    return info.error();
  }
  return info->kind == FileKind::symbolic_link ? info->target == "/dev/null"
                                               : info->kind == FileKind::file && info->size_bytes == 0;
}

Result<> GuestServices::read() {
  if (wanted_) return {};
  wanted_.emplace();
  for (const char* folder : unit_folders) TRY(read_wishes(folder));
  for (const char* folder : script_folders) TRY(read_scripts(folder));
  return {};
}

Result<> GuestServices::read_wishes(const std::string& folder) {
  const bool there = TRY(root_.is_directory(folder));
  if (!there) return {};
  const auto names = TRY(root_.list(folder));
  for (const std::string& name : names) {
    if (!name.ends_with(".wants") && !name.ends_with(".requires")) continue;
    const std::string wishes = fmt::format("{}/{}", folder, name);
    const bool is_folder = TRY(root_.is_directory(wishes));
    if (!is_folder) continue;
    const auto units = TRY(root_.list(wishes));
    wanted_->insert(units.begin(), units.end());
  }
  return {};
}

Result<> GuestServices::read_scripts(const std::string& folder) {
  const bool there = TRY(root_.is_directory(folder));
  if (!there) return {};
  const auto links = TRY(root_.list(folder));
  for (const std::string& link : links) scripts_.insert(started_by(link));
  return {};
}

Result<bool> GuestServices::is_masked(const std::string& unit) {
  return is_switched_off(root_, "/etc/systemd/system/" + unit);
}

Result<bool> GuestServices::has_unit(const std::string& unit) {
  for (const char* folder : unit_folders) {
    const bool there = TRY(root_.is_file(fmt::format("{}/{}", folder, unit)));
    if (there) return true;
  }
  return false;
}

Result<bool> GuestServices::can_start(const std::string& service) {
  const std::string unit = service + ".service";
  const bool masked = TRY(is_masked(unit));
  if (masked) return false;
  return has_unit(unit);
}

Result<bool> GuestServices::starts(const std::string& service) {
  TRY(read());
  const std::string unit = service + ".service";
  const bool masked = TRY(is_masked(unit));
  if (masked) return false;
  const bool installed = TRY(has_unit(unit));
  if (installed) return wanted_->contains(unit);
  const bool job = TRY(root_.is_file(fmt::format("/etc/init/{}.conf", service)));
  return job || scripts_.contains(service);
}

}  // namespace rekindle
