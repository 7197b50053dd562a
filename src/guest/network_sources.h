// Where a guest's network is configured, and by what.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "guest/conversion.h"
#include "guest/guest_services.h"
#include "guest/network_files.h"

namespace rekindle {

enum class NetworkTool { ifupdown, netplan, networkd, network_manager, network_scripts };

std::string_view to_string(NetworkTool tool);  // "systemd-networkd"

using NetworkRewrite = NetworkEdit (*)(std::string_view, const NetworkRules&);

struct NetworkFile {
  std::string path;
  NetworkTool tool;
  NetworkRewrite rewrite;
};

// A guest's files are its own making: more than this is no configuration.
inline constexpr std::size_t most_files_of_a_folder = 256;
inline constexpr std::size_t most_network_settings = 4096;

struct NetworkFiles {
  std::vector<NetworkFile> files;
  std::vector<std::string> crowded;  // the folders with more files than are looked at
};

// All that the tools read, or the administrator's only: conversion leaves a package's alone.
enum class NetworkFileOwner { anyone, administrator };

// Those that are there, in the order in which the tools read them.
Result<NetworkFiles> find_network_files(Ext4Volume& root, NetworkFileOwner owner);

// What conversion goes by; `files` are those of the same guest.
Result<NetworkRules> read_network_rules(Ext4Volume& root, const NetworkFiles& files,
                                        const ConversionOptions& options);

// Files directly below a folder, by their whole path, sorted; none where there is no such folder.
Result<std::vector<std::string>> files_in(Ext4Volume& root, const std::string& folder,
                                          std::string_view prefix, std::string_view suffix);

// The tools that are installed and start with the guest. netplan needs one of the two that it writes for.
Result<std::set<NetworkTool>> running_tools(Ext4Volume& root, GuestServices& services);

}  // namespace rekindle
