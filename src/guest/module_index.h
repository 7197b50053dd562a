// What depmod(8) wrote about the modules of one kernel: modules.dep, modules.softdep, modules.builtin.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace rekindle {

// Module names are those of modprobe: "xen-blkfront" and "xen_blkfront" are the same.
class ModuleIndex {
 public:
  // Lines that are not understood, and paths that leave the module tree, are left out: the files are the
  // guest's.
  ModuleIndex(std::string_view dep, std::string_view softdep, std::string_view builtin);

  bool built_in(std::string_view name) const;
  bool has(std::string_view name) const;  // as a loadable module
  // The paths (below /lib/modules/<version>) of these modules, of all they need and of what should be loaded
  // with them, each once, sorted. Names without a module are left out.
  std::vector<std::string> closure(const std::vector<std::string>& names) const;

 private:
  void add_dependencies(std::string_view line);
  void add_soft_dependencies(std::string_view line);

  std::map<std::string, std::string> path_of_;             // name -> path
  std::map<std::string, std::vector<std::string>> needs_;  // name -> names
  std::set<std::string> built_in_;
};

}  // namespace rekindle
