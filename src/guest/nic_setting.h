// What a network configuration asks for one device, in the terms that all of its forms share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rekindle {

// A device as the guest sees it.
struct Nic {
  std::string name;    // "ens192"
  std::string driver;  // "ena"; empty: a bridge or a bond
};

enum class AddressSource {
  dhcp,
  fixed,    // a static address was left
  none,     // up, but without an IPv4 address of its own
  unknown,  // in a form that is not read
};

struct NicSetting {
  std::string device;                // for people, and of a bridge or bond the name: "br0"
  std::vector<std::string> names;    // globs of device names; empty: whatever it is called
  std::vector<std::string> drivers;  // globs; empty: whatever drives it
  bool old_card_only = false;        // it is found by what only the card of before has
  bool not_a_card = false;           // it is about devices of another kind: bridges, Wi-Fi
  AddressSource address = AddressSource::none;
  bool at_boot = true;             // brought up without anybody asking
  std::vector<std::string> ports;  // of a bridge or bond: globs of device names
  std::string master;              // the bridge or bond that it is a port of
  std::string renderer;            // of netplan(5), if it says so for this device: "NetworkManager"
};

// Shell globs; one "!" in front of the first means: none of them. No globs match everything. Longer ones than
// any real name match nothing.
bool glob_matches(const std::vector<std::string>& globs, const std::string& text);

bool applies(const NicSetting& setting, const Nic& nic);

// The card and the bridges and bonds that it is a port of, of which the address may be.
std::vector<Nic> devices_over(const Nic& card, const std::vector<NicSetting>& settings);

}  // namespace rekindle
