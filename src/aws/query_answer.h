// The XML answers of AWS's Query services, with namespaces resolved: a name counts only in its parent's
// namespace, whatever prefix the server chose.
#pragma once

#include <pugixml.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace rekindle {

// A view into an QueryAnswer, which outlives it. Empty (false) where the element is absent; everything asked
// of an empty element is empty.
class QueryElement {
 public:
  QueryElement() = default;
  explicit QueryElement(pugi::xml_node node) : node_(node) {}

  explicit operator bool() const { return static_cast<bool>(node_); }
  std::string_view name() const;  // without prefix
  QueryElement child(std::string_view name) const;
  std::vector<QueryElement> children(std::string_view name) const;
  // The <item>s of the child `set`: how EC2 writes lists.
  std::vector<QueryElement> items(std::string_view set) const { return child(set).children("item"); }
  std::string text() const;
  std::string text(std::string_view name) const { return child(name).text(); }
  // `internal` when the element is absent or not a number.
  Result<std::uint64_t> number(std::string_view name) const;
  // `internal` when the element is absent or empty.
  Result<std::string> required(std::string_view name) const;

 private:
  pugi::xml_node node_;
};

class QueryAnswer {
 public:
  // `internal` when the bytes are not XML.
  static Result<QueryAnswer> parse(ByteView bytes);
  QueryElement root() const { return QueryElement(document_->document_element()); }

 private:
  std::unique_ptr<pugi::xml_document> document_;
};

}  // namespace rekindle
