#include "aws/query_answer.h"

#include <charconv>

namespace rekindle {

namespace {

std::string_view local_name(std::string_view name) {
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

// The namespace that the node's prefix stands for: the nearest declaration on the way up.
std::string_view namespace_of(pugi::xml_node node) {
  const std::string_view name = node.name();
  const auto colon = name.find(':');
  const std::string declaration =
      colon == std::string_view::npos ? "xmlns" : "xmlns:" + std::string(name.substr(0, colon));
  for (pugi::xml_node at = node; at; at = at.parent()) {
    if (const pugi::xml_attribute found = at.attribute(declaration.c_str())) return found.value();
  }
  return {};
}

bool is_child(pugi::xml_node child, std::string_view name, std::string_view parent_namespace) {
  return child.type() == pugi::node_element && local_name(child.name()) == name &&
         namespace_of(child) == parent_namespace;
}

}  // namespace

std::string_view QueryElement::name() const {
  return local_name(node_.name());
}

QueryElement QueryElement::child(std::string_view name) const {
  const std::string_view own = namespace_of(node_);
  for (const pugi::xml_node child : node_.children()) {
    if (is_child(child, name, own)) return QueryElement(child);
  }
  return {};
}

std::vector<QueryElement> QueryElement::children(std::string_view name) const {
  const std::string_view own = namespace_of(node_);
  std::vector<QueryElement> found;
  for (const pugi::xml_node child : node_.children()) {
    if (is_child(child, name, own)) found.emplace_back(child);
  }
  return found;
}

std::string QueryElement::text() const {
  return node_.text().get();
}

Result<std::uint64_t> QueryElement::number(std::string_view name) const {
  const std::string digits = text(name);
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    return error(ErrorCode::internal, "AWS answered <{}> with '{}' in <{}>, which is not a number",
                 this->name(), digits, name);
  }
  return value;
}

Result<std::string> QueryElement::required(std::string_view name) const {
  std::string value = text(name);
  if (value.empty()) return error(ErrorCode::internal, "AWS answered <{}> without <{}>", this->name(), name);
  return value;
}

Result<QueryAnswer> QueryAnswer::parse(ByteView bytes) {
  QueryAnswer answer;
  answer.document_ = std::make_unique<pugi::xml_document>();
  const pugi::xml_parse_result parsed = answer.document_->load_buffer(bytes.data(), bytes.size());
  if (!parsed || !answer.document_->document_element()) {
    return error(ErrorCode::internal, "the answer is not XML ({}); is the endpoint an AWS service?",
                 parsed ? "no element" : parsed.description());
  }
  return answer;
}

}  // namespace rekindle
