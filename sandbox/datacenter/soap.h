// SOAP 1.1 as vSphere speaks it: taking a call apart, putting an answer together.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pugixml.hpp>

#include "base/result.h"
#include "net/http.h"
#include "sandbox/datacenter/vim_value.h"

namespace rekindle::sandbox {

// Elements by their local name: prefixes are the sender's choice.
pugi::xml_node child(const pugi::xml_node& node, std::string_view local_name);
std::vector<pugi::xml_node> children(const pugi::xml_node& node, std::string_view local_name);
std::string child_text(const pugi::xml_node& node, std::string_view local_name);
bool child_flag(const pugi::xml_node& node, std::string_view local_name);
// <x type="VirtualMachine">1</x>
Reference reference_of(const pugi::xml_node& node);

// xsi:type without its prefix.
std::string type_of(const pugi::xml_node& node);
// vSphere reads elements in the order of the schema and refuses others: InvalidRequest.
std::optional<Fault> misplaced_element(const pugi::xml_node& parent, const std::vector<std::string>& schema);

struct SoapCall {
  std::shared_ptr<pugi::xml_document> document;  // owns the nodes
  std::string method;
  Reference self;       // _this
  pugi::xml_node body;  // the element of the method
};
Result<SoapCall> parse_call(std::string_view text);

// `inside` is the content of <MethodResponse>.
HttpResponse soap_response(const std::string& method, const std::string& inside);
HttpResponse soap_fault(const Fault& fault);

}  // namespace rekindle::sandbox
