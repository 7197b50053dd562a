#include "sandbox/datacenter/soap.h"

#include <algorithm>

namespace rekindle::sandbox {

namespace {

constexpr std::string_view envelope_start =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" "
    "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
    "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" "
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n<soapenv:Body>\n";
constexpr std::string_view envelope_end = "\n</soapenv:Body>\n</soapenv:Envelope>\n";

std::string_view local_name(std::string_view name) {
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

HttpResponse xml_response(int status, const std::string& body) {
  return HttpResponse::text(status, "text/xml; charset=utf-8",
                            std::string(envelope_start) + body + std::string(envelope_end));
}

}  // namespace

pugi::xml_node child(const pugi::xml_node& node, std::string_view name) {
  for (const pugi::xml_node& candidate : node.children()) {
    if (candidate.type() == pugi::node_element && local_name(candidate.name()) == name) return candidate;
  }
  return {};
}

std::vector<pugi::xml_node> children(const pugi::xml_node& node, std::string_view name) {
  std::vector<pugi::xml_node> found;
  for (const pugi::xml_node& candidate : node.children()) {
    if (candidate.type() == pugi::node_element && local_name(candidate.name()) == name)
      found.push_back(candidate);
  }
  return found;
}

std::string child_text(const pugi::xml_node& node, std::string_view name) {
  return child(node, name).text().get();
}

bool child_flag(const pugi::xml_node& node, std::string_view name) {
  const std::string text = child_text(node, name);
  return text == "true" || text == "1";
}

Reference reference_of(const pugi::xml_node& node) {
  return {node.attribute("type").value(), node.text().get()};
}

std::string type_of(const pugi::xml_node& node) {
  for (const pugi::xml_attribute& attribute : node.attributes()) {
    const std::string_view name = attribute.name();
    if (name != "type" && local_name(name) == "type") return std::string(local_name(attribute.value()));
  }
  return {};
}

std::optional<Fault> misplaced_element(const pugi::xml_node& parent, const std::vector<std::string>& schema) {
  auto expected = schema.begin();
  for (const pugi::xml_node& node : parent.children()) {
    const std::string_view name = local_name(node.name());
    if (node.type() != pugi::node_element || name == "_this") continue;
    const auto found = std::find(expected, schema.end(), name);
    if (found == schema.end())
      return Fault{"InvalidRequest", fmt::format("Unexpected element tag \"{}\" seen", name), {}};
    expected = found;  // stays: the element may repeat
  }
  return std::nullopt;
}

Result<SoapCall> parse_call(std::string_view text) {
  SoapCall call;
  call.document = std::make_shared<pugi::xml_document>();
  const auto parsed = call.document->load_buffer(text.data(), text.size());
  if (!parsed) return error(ErrorCode::invalid_argument, "the call is not XML: {}", parsed.description());
  const pugi::xml_node body = child(child(*call.document, "Envelope"), "Body");
  for (const pugi::xml_node& method : body.children()) {
    if (method.type() != pugi::node_element) continue;
    call.method = std::string(local_name(method.name()));
    call.body = method;
    call.self = reference_of(child(method, "_this"));
    return call;
  }
  return error(ErrorCode::invalid_argument, "the call has no SOAP body");
}

HttpResponse soap_response(const std::string& method, const std::string& inside) {
  return xml_response(200,
                      "<" + method + "Response xmlns=\"urn:vim25\">" + inside + "</" + method + "Response>");
}

// Every fault is HTTP 500; its detail is named after the type.
HttpResponse soap_fault(const Fault& fault) {
  std::string members;
  for (const Member& member : fault.members) members += to_xml(member.name, member.value, member.shows_type);
  const std::string name = fault.type + "Fault";
  std::string detail = "<" + name + " xmlns=\"urn:vim25\" xsi:type=\"" + fault.type + "\"";
  detail += members.empty() ? "/>" : ">" + members + "</" + name + ">";
  return xml_response(500, "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>" +
                               escape_xml(fault.message) + "</faultstring><detail>" + detail +
                               "</detail></soapenv:Fault>");
}

}  // namespace rekindle::sandbox
