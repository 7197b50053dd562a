// Ids are types of their own, never plain strings: a MachineId cannot be passed where a SnapshotId is wanted.
//   struct MachineTag; using MachineId = Id<MachineTag>;
// The text is opaque: the site that made it is the only one that reads it.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace rekindle {

template <typename Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string text) : text_(std::move(text)) {}

  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend auto operator<=>(const Id&, const Id&) = default;

 private:
  std::string text_;
};

}  // namespace rekindle

template <typename Tag>
struct fmt::formatter<rekindle::Id<Tag>> : fmt::formatter<std::string> {
  auto format(const rekindle::Id<Tag>& id, fmt::format_context& context) const {
    return fmt::formatter<std::string>::format(id.str(), context);
  }
};

template <typename Tag>
struct std::hash<rekindle::Id<Tag>> {
  std::size_t operator()(const rekindle::Id<Tag>& id) const noexcept {
    return std::hash<std::string>()(id.str());
  }
};
