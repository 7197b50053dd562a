#include "guest/nic_naming.h"

#include <algorithm>
#include <map>
#include <optional>

#include "guest/ini_lines.h"
#include "guest/network_sources.h"
#include "guest/nic_match.h"
#include "guest/udev_rule.h"

namespace rekindle {

namespace {

// As systemd calls it by its slot, which on most instances is the fifth.
constexpr const char* slot_name = "ens5";

constexpr const char* rules_that_ask_links = "80-net-setup-link.rules";
// systemd's before 209, and those of Red Hat 7.
constexpr const char* rules_that_name_by_slot = "80-net-name-slot.rules";

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
    const bool asks_links = TRY(udev_has(rules_that_ask_links));
    if (!asks_links) {
      const bool by_slot = TRY(udev_has(rules_that_name_by_slot));
      return NicNaming{predictable_ && by_slot ? slot_name : kernel_nic_name, ""};
    }
    const auto links = TRY(find_links());
    for (const auto& [file, path] : links) {
      const auto given = TRY(name_by_link(path));
      if (given) return *given;
    }
    return NicNaming{predictable_ ? slot_name : kernel_nic_name, ""};
  }

 private:
  // The last rule that holds gives the name, but for one that says it is final (":=").
  Result<std::optional<NicNaming>> name_by_rule() {
    std::optional<NicNaming> given;
    const auto files = TRY(files_in(root_, "/etc/udev/rules.d", "", ".rules"));
    for (const std::string& path : files) {
      const std::string text = TRY(root_.read_text(path));
      for (const std::string& line : split_lines(text)) {
        const auto rule = parse_udev_rule(line);
        const std::string name = nic_name_given_by(rule);
        // "$env{ID_NET_NAME}" and its kin are what the links say.
        const bool fits = !name.empty() && name.find_first_of("$%") == std::string::npos &&
                          holds(rule, given ? given->name : "");
        if (fits) given = NicNaming{name, path};
        if (fits && is_final(rule)) return given;
      }
    }
    return given;
  }

  // A rule that asks for more than is known here is about some other device.
  bool holds(const std::vector<UdevTerm>& rule, const std::string& name_so_far) const {
    std::map<std::string, std::string> known = {{"SUBSYSTEM", "net"},        {"ACTION", "add"},
                                                {"KERNEL", kernel_nic_name}, {"DRIVERS", driver_},
                                                {"SUBSYSTEMS", "pci"},       {"ATTR{type}", "1"},
                                                {"ATTR{dev_id}", "0x0"},     {"NAME", name_so_far},
                                                {"ENV{ID_BUS}", "pci"},      {"ENV{ID_NET_DRIVER}", driver_}};
    if (!address_.empty()) known["ATTR{address}"] = address_;
    return std::ranges::all_of(rule, [&](const UdevTerm& term) {
      if (term.op != "==" && term.op != "!=") return true;
      const auto value = known.find(term.key);
      return value != known.end() && glob_matches({term.value}, value->second) == (term.op == "==");
    });
  }

  static bool is_final(const std::vector<UdevTerm>& rule) {
    return std::ranges::any_of(rule,
                               [](const UdevTerm& term) { return term.key == "NAME" && term.op == ":="; });
  }

  Result<bool> udev_has(const std::string& rules) {
    const bool off = TRY(is_switched_off(root_, "/etc/udev/rules.d/" + rules));
    for (const char* folder : {"/usr/lib/udev/rules.d", "/lib/udev/rules.d"}) {
      const bool there = TRY(root_.is_file(fmt::format("{}/{}", folder, rules)));
      if (there && !off) return true;
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
    if (!match_fits(lines, {driver_, address_})) return std::optional<NicNaming>();
    const std::string policy = value_of(lines, "Link", "NamePolicy");
    const std::string name = value_of(lines, "Link", "Name");
    const bool by_slot = predictable_ && policy.find("slot") != std::string::npos;
    if (by_slot) return std::optional(NicNaming{slot_name, path});
    return std::optional(NicNaming{name.empty() ? kernel_nic_name : name, path});
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
