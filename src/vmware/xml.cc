#include "vmware/xml.h"

#include <charconv>

namespace rekindle {

namespace {

constexpr std::string_view xsi_namespace = "http://www.w3.org/2001/XMLSchema-instance";

std::pair<std::string_view, std::string_view> split_name(std::string_view qualified) {
  const auto colon = qualified.find(':');
  if (colon == std::string_view::npos) return {"", qualified};
  return {qualified.substr(0, colon), qualified.substr(colon + 1)};
}

// The namespace that a prefix stands for at this element: the innermost declaration counts.
std::string_view resolve(pugi::xml_node node, std::string_view prefix) {
  for (; !node.empty(); node = node.parent()) {
    for (const auto& attribute : node.attributes()) {
      const std::string_view name = attribute.name();
      const bool declares =
          prefix.empty() ? name == "xmlns" : name.starts_with("xmlns:") && name.substr(6) == prefix;
      if (declares) return attribute.value();
    }
  }
  return {};
}

}  // namespace

std::string_view XmlElement::name() const {
  return split_name(node_.name()).second;
}

std::string_view XmlElement::namespace_uri() const {
  return resolve(node_, split_name(node_.name()).first);
}

bool XmlElement::is(std::string_view uri, std::string_view local_name) const {
  return name() == local_name && namespace_uri() == uri;
}

XmlElement XmlElement::child_of(std::string_view uri, std::string_view local_name) const {
  for (const auto& node : node_.children()) {
    const XmlElement element(node);
    if (element.is(uri, local_name)) return element;
  }
  return {};
}

XmlElement XmlElement::child(std::string_view local_name) const {
  return child_of(vim_namespace, local_name);
}

std::vector<XmlElement> XmlElement::children(std::string_view local_name) const {
  std::vector<XmlElement> found;
  for (const auto& node : node_.children()) {
    const XmlElement element(node);
    if (element.is(vim_namespace, local_name)) found.push_back(element);
  }
  return found;
}

std::vector<XmlElement> XmlElement::children() const {
  std::vector<XmlElement> found;
  for (const auto& node : node_.children()) {
    if (node.type() == pugi::node_element) found.emplace_back(node);
  }
  return found;
}

XmlElement XmlElement::at(std::string_view path) const {
  XmlElement element = *this;
  while (!path.empty()) {
    const auto dot = path.find('.');
    element = element.child(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return element;
}

std::optional<std::uint64_t> XmlElement::number() const {
  const std::string digits = text();
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failure != std::errc() || end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
  return value;
}

std::string_view XmlElement::xsi_type() const {
  for (const auto& attribute : node_.attributes()) {
    const auto [prefix, local] = split_name(attribute.name());
    if (local == "type" && !prefix.empty() && resolve(node_, prefix) == xsi_namespace) {
      return split_name(attribute.value()).second;
    }
  }
  return {};
}

Result<std::shared_ptr<const XmlDocument>> XmlDocument::parse(std::string_view text) {
  auto document = std::make_shared<XmlDocument>();
  const auto result = document->document_.load_buffer(text.data(), text.size());
  if (!result) {
    return error(ErrorCode::internal, "the answer is not XML ({} at byte {})", result.description(),
                 result.offset);
  }
  return std::shared_ptr<const XmlDocument>(std::move(document));
}

std::string xml_escape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\r':
        escaped += "&#13;";
        break;  // a parser would turn it into a line feed
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string xml_element(std::string_view name, std::string_view text) {
  return fmt::format("<{0}>{1}</{0}>", name, xml_escape(text));
}

}  // namespace rekindle
