#include "guest/boot_arguments.h"

#include "guest/text_lines.h"

namespace rekindle {

namespace {

bool starts_a_kernel(const std::string& word) {
  return word == "linux" || word == "linux16" || word == "linuxefi";
}

}  // namespace

BootArguments boot_arguments_in(std::string_view grub_config) {
  constexpr std::string_view init = "init=";
  BootArguments arguments;
  for (const std::string& line : split_lines(grub_config)) {
    const auto words = split_words(line);
    if (words.empty() || !starts_a_kernel(words.front())) continue;
    for (const std::string& word : words) {
      if (word.starts_with(init)) arguments.init = word.substr(init.size());
      if (word == "net.ifnames=0") arguments.predictable_names = false;
    }
    break;
  }
  return arguments;
}

Result<BootArguments> read_boot_arguments(GuestDisk& guest) {
  for (const char* name : {"grub/grub.cfg", "grub2/grub.cfg"}) {
    const std::string path = guest.boot_path(name);
    const bool there = TRY(guest.boot().is_file(path));
    if (!there) continue;
    const std::string config = TRY(guest.boot().read_text(path, 16 * mib));
    return boot_arguments_in(config);
  }
  return BootArguments();
}

}  // namespace rekindle
