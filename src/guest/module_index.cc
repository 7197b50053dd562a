#include "guest/module_index.h"

#include <algorithm>

#include "guest/text_lines.h"

namespace rekindle {

namespace {

std::string normalized(std::string_view name) {
  std::string same(name);
  std::ranges::replace(same, '-', '_');
  return same;
}

// "kernel/drivers/nvme/host/nvme-core.ko.xz" -> "nvme_core"
std::string module_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return normalized(path.substr(0, path.find(".ko")));
}

bool stays_inside(std::string_view path) {
  return !path.empty() && path.front() != '/' && path.find("..") == std::string_view::npos;
}

}  // namespace

ModuleIndex::ModuleIndex(std::string_view dep, std::string_view softdep, std::string_view builtin) {
  for (const std::string& line : split_lines(dep)) add_dependencies(line);
  for (const std::string& line : split_lines(softdep)) add_soft_dependencies(line);
  for (const std::string& line : split_lines(builtin)) built_in_.insert(module_name(trim(line)));
}

// "kernel/a.ko: kernel/b.ko kernel/c.ko"
void ModuleIndex::add_dependencies(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string path(trim(line.substr(0, colon)));
  if (!stays_inside(path)) return;
  const std::string name = module_name(path);
  path_of_.emplace(name, path);
  for (const std::string& needed : split_words(line.substr(colon + 1)))
    needs_[name].push_back(module_name(needed));
}

// "softdep a pre: b c post: d"
void ModuleIndex::add_soft_dependencies(std::string_view line) {
  const auto words = split_words(line);
  if (words.size() < 2 || words[0] != "softdep") return;
  auto& needs = needs_[normalized(words[1])];
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (!words[i].ends_with(":")) needs.push_back(normalized(words[i]));
  }
}

bool ModuleIndex::built_in(std::string_view name) const {
  return built_in_.contains(normalized(name));
}

bool ModuleIndex::has(std::string_view name) const {
  return path_of_.contains(normalized(name));
}

std::vector<std::string> ModuleIndex::closure(const std::vector<std::string>& names) const {
  std::set<std::string> seen;
  std::vector<std::string> paths;
  std::vector<std::string> open;
  for (const std::string& name : names) open.push_back(normalized(name));
  while (!open.empty()) {
    const std::string name = std::move(open.back());
    open.pop_back();
    const auto path = path_of_.find(name);
    if (!seen.insert(name).second || path == path_of_.end()) continue;
    paths.push_back(path->second);
    const auto needs = needs_.find(name);
    if (needs != needs_.end()) open.insert(open.end(), needs->second.begin(), needs->second.end());
  }
  std::ranges::sort(paths);
  return paths;
}

}  // namespace rekindle
