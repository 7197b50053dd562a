// XML with namespaces resolved: servers are free to choose prefixes, and do. pugixml reads the text but
// leaves prefixes alone; Element looks them up.
#pragma once

#include <memory>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle {

constexpr std::string_view vim_namespace = "urn:vim25";
constexpr std::string_view soap_namespace = "http://schemas.xmlsoap.org/soap/envelope/";

// A view of an element of an XmlDocument, which outlives it; or of nothing, which has no children and no
// text.
class XmlElement {
 public:
  XmlElement() = default;
  explicit XmlElement(pugi::xml_node node) : node_(node) {}

  explicit operator bool() const { return !node_.empty(); }
  std::string_view name() const;  // without prefix
  std::string_view namespace_uri() const;
  bool is(std::string_view uri, std::string_view local_name) const;

  // Children in the vim25 namespace.
  XmlElement child(std::string_view local_name) const;
  std::vector<XmlElement> children(std::string_view local_name) const;
  // By path: "backing.uuid".
  XmlElement at(std::string_view path) const;
  // Children in any namespace.
  std::vector<XmlElement> children() const;
  XmlElement child_of(std::string_view uri, std::string_view local_name) const;

  std::string text() const { return node_.text().get(); }
  bool is_true() const { return text() == "true" || text() == "1"; }
  std::optional<std::uint64_t> number() const;  // decimal, not negative
  // xsi:type without its prefix: "VirtualDisk"; "" if there is none.
  std::string_view xsi_type() const;
  // The attribute `type` of a reference to a managed object.
  std::string_view reference_type() const { return node_.attribute("type").value(); }

 private:
  pugi::xml_node node_;
};

// Shared, because elements of one answer are kept in many places.
class XmlDocument {
 public:
  // `internal` when the text is not well-formed.
  static Result<std::shared_ptr<const XmlDocument>> parse(std::string_view text);
  XmlElement root() const { return XmlElement(document_.document_element()); }

 private:
  pugi::xml_document document_;
};

// For content and attribute values.
std::string xml_escape(std::string_view text);
// <name>text</name>
std::string xml_element(std::string_view name, std::string_view text);

}  // namespace rekindle
