#include "guest/lvm_text.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace rekindle {

namespace {

constexpr int deepest = 8;

Error damaged() {
  return {ErrorCode::corrupt, "the LVM metadata cannot be understood"};
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  // Up to the closing brace, or the end of the text at the top.
  Result<LvmSection> parse_section(int depth) {
    if (depth > deepest) return damaged();
    LvmSection section;
    for (;;) {
      skip_blank();
      const bool ends = depth == 0 ? at_end() : take('}');
      if (ends) return section;
      TRY(parse_entry(section, depth));
    }
  }

 private:
  Result<> parse_entry(LvmSection& section, int depth) {
    const std::string name = word();
    if (name.empty()) return damaged();
    skip_blank();
    if (take('{')) {
      section.sections[name] = TRY(parse_section(depth + 1));
      return {};
    }
    if (!take('=')) return damaged();
    section.values[name] = TRY(parse_value());
    return {};
  }

  Result<std::vector<std::string>> parse_value() {
    skip_blank();
    std::vector<std::string> values;
    if (!take('[')) {
      values.push_back(TRY(scalar()));
      return values;
    }
    for (skip_blank(); !take(']'); skip_blank()) {
      values.push_back(TRY(scalar()));
      skip_blank();
      take(',');
    }
    return values;
  }

  Result<std::string> scalar() {
    if (take('"')) return quoted();
    std::string value = word();
    if (value.empty()) return damaged();
    return value;
  }

  Result<std::string> quoted() {
    std::string value;
    while (!at_end() && text_.front() != '"') {
      if (text_.front() == '\\' && text_.size() > 1) text_.remove_prefix(1);
      value += text_.front();
      text_.remove_prefix(1);
    }
    if (!take('"')) return damaged();
    return value;
  }

  std::string word() {
    std::size_t length = 0;
    constexpr std::string_view others = "_-.+";
    while (length < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[length])) != 0 ||
                                     others.find(text_[length]) != std::string_view::npos)) {
      ++length;
    }
    std::string found(text_.substr(0, length));
    text_.remove_prefix(length);
    return found;
  }

  void skip_blank() {
    while (!at_end()) {
      if (text_.front() == '#') {
        text_.remove_prefix(std::min(text_.find('\n'), text_.size()));
      } else if (std::isspace(static_cast<unsigned char>(text_.front())) != 0) {
        text_.remove_prefix(1);
      } else {
        return;
      }
    }
  }

  bool at_end() const { return text_.empty() || text_.front() == '\0'; }
  bool take(char wanted) {
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::string_view text_;
};

}  // namespace

const LvmSection* LvmSection::section(const std::string& name) const {
  const auto found = sections.find(name);
  return found == sections.end() ? nullptr : &found->second;
}

std::string LvmSection::text(const std::string& key) const {
  const auto found = values.find(key);
  return found == values.end() || found->second.empty() ? "" : found->second.front();
}

std::optional<std::uint64_t> LvmSection::number(const std::string& key) const {
  return parse_number(text(key));
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<LvmSection> parse_lvm_text(std::string_view text) {
  return Parser(text).parse_section(0);
}

}  // namespace rekindle
