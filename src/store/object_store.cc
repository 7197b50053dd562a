#include "store/object_store.h"

#include <algorithm>

namespace rekindle {

namespace {
bool fits(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '/';
}
}  // namespace

Result<> check_object_name(std::string_view name) {
  const bool divided_well =
      !name.starts_with('/') && !name.ends_with('/') && name.find("//") == std::string_view::npos;
  if (name.empty() || name.size() > 200 || !divided_well || !std::all_of(name.begin(), name.end(), fits)) {
    return error(ErrorCode::invalid_argument, "'{}' cannot be the name of an object", name);
  }
  return {};
}

}  // namespace rekindle
