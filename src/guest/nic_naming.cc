#include "guest/nic_naming.h"

#include <algorithm>
#include <map>
#include <optional>

#include "guest/ini_lines.h"
#include "guest/network_sources.h"
#include "guest/udev_rule.h"

namespace rekindle {

namespace {

// As the kernel finds it, and as systemd calls it by its slot, which on most instances is the fifth.
constexpr const char* kernel_name = "eth0";
constexpr const char* slot_name = "ens5";

// By which udev asks the .link files; the second is Red Hat's.
constexpr const char* rules_that_ask[] = {"80-net-setup-link.rules", "80-net-name-slot.rules"};

class NicNamer {
 public:
  NicNamer(Ext4Volume& root, const ConversionOptions& options, bool predictable)
      : root_(root),
        driver_(hardware_of(options.platform).nic_drivers.front()),
        address_(options.nics.empty() ? "" : options.nics.front().mac_address),
        predictable_(predictable) {}

  Result<NicNaming> name() {
    const auto by_rule = TRY(name_by_rule());
    if (by_rule) return *by_rule;
    const bool asks_links = TRY(udev_asks_links());
    if (!asks_links) return NicNaming{kernel_name, ""};
    const auto links = TRY(find_links());
    for (const auto& [file, path] : links) {
      const auto given = TRY(name_by_link(path));
      if (given) return *given;
    }
    return NicNaming{predictable_ ? slot_name : kernel_name, ""};
  }

 private:
  Result<std::optional<NicNaming>> name_by_rule() {
    const auto files = TRY(files_in(root_, "/etc/udev/rules.d", "", ".rules"));
    for (const std::string& path : files) {
      const std::string text = TRY(root_.read_text(path));
      for (const std::string& line : split_lines(text)) {
        const auto rule = parse_udev_rule(line);
        const std::string name = nic_name_given_by(rule);
        // "$env{ID_NET_NAME}" and its kin are what the links say.
        const bool fits = !name.empty() && name.find_first_of("$%") == std::string::npos && holds(rule);
        if (fits) return std::optional(NicNaming{name, path});
      }
    }
    return std::optional<NicNaming>();
  }

  // A rule that asks for more than is known here is about some other device.
  bool holds(const std::vector<UdevTerm>& rule) const {
    const std::map<std::string, std::string> known = {
        {"SUBSYSTEM", "net"},           {"ACTION", "add"},     {"KERNEL", kernel_name},
        {"DRIVERS", driver_},           {"SUBSYSTEMS", "pci"}, {"ATTR{type}", "1"},
        {"ATTR{dev_id}", "0x0"},        {"NAME", ""},          {"ENV{ID_BUS}", "pci"},
        {"ENV{ID_NET_DRIVER}", driver_}};
    return std::ranges::all_of(rule, [&](const UdevTerm& term) {
      if (term.op != "==" && term.op != "!=") return true;
      const auto value = known.find(term.key);
      return value != known.end() && glob_matches({term.value}, value->second) == (term.op == "==");
    });
  }

  Result<bool> udev_asks_links() {
    for (const char* rules : rules_that_ask) {
      const bool off = TRY(is_switched_off(root_, fmt::format("/etc/udev/rules.d/{}", rules)));
      for (const char* folder : {"/usr/lib/udev/rules.d", "/lib/udev/rules.d"}) {
        const bool there = TRY(root_.is_file(fmt::format("{}/{}", folder, rules)));
        if (there && !off) return true;
      }
    }
    return false;
  }

  // By their names, whatever folder they are in; what stands in /etc hides its namesake of the vendor's.
  Result<std::map<std::string, std::string>> find_links() {
    std::map<std::string, std::string> links;
    for (const char* folder : {"/usr/lib/systemd/network", "/lib/systemd/network", "/etc/systemd/network"}) {
      const bool there = TRY(root_.is_directory(folder));
      if (!there) continue;
      const auto names = TRY(root_.list(folder));
      for (const std::string& name : names) {
        if (name.ends_with(".link")) links[name] = fmt::format("{}/{}", folder, name);
      }
    }
    return links;
  }

  // None: the file is not about this card.
  Result<std::optional<NicNaming>> name_by_link(const std::string& path) {
    const bool off = TRY(is_switched_off(root_, path));
    const bool there = off ? false : TRY(root_.is_file(path));
    if (!there) return std::optional<NicNaming>();
    const std::string text = TRY(root_.read_text(path));
    const auto lines = parse_ini(text);
    if (!std::ranges::all_of(lines, [&](const IniLine& line) { return fits(line); }))
      return std::optional<NicNaming>();
    const std::string policy = value_of(lines, "Link", "NamePolicy");
    const std::string name = value_of(lines, "Link", "Name");
    const bool by_slot = predictable_ && policy.find("slot") != std::string::npos;
    if (by_slot) return std::optional(NicNaming{slot_name, path});
    return std::optional(NicNaming{name.empty() ? kernel_name : name, path});
  }

  bool fits(const IniLine& line) const {
    if (line.section != "Match" || line.key.empty()) return true;
    const auto globs = split_words(line.value);
    if (line.key == "MACAddress" || line.key == "PermanentMACAddress")
      return !address_.empty() && std::ranges::find(globs, address_) != globs.end();
    if (line.key == "Driver") return glob_matches(globs, driver_);
    if (line.key == "Type") return glob_matches(globs, "ether");
    if (line.key == "OriginalName") return glob_matches(globs, kernel_name);
    if (line.key == "Path") return glob_matches(globs, "pci-0000:00:05.0");
    if (line.key == "Virtualization") return line.value.find("vmware") == std::string::npos;
    // What stays as it was; all others are about devices that no card in a slot is.
    return line.key == "Host" || line.key == "Architecture" || line.key.starts_with("Kernel");
  }

  Ext4Volume& root_;
  std::string driver_;
  std::string address_;
  bool predictable_;
};

}  // namespace

Result<NicNaming> name_of_first_nic(Ext4Volume& root, const ConversionOptions& options, bool predictable) {
  return NicNamer(root, options, predictable).name();
}

}  // namespace rekindle
