#include "vmware/property_collector.h"

namespace rekindle {

namespace {

constexpr int page_objects = 100;

std::string property_spec(std::string_view type, const std::vector<std::string>& properties) {
  std::string spec = "<propSet>" + xml_element("type", type) + "<all>false</all>";
  for (const std::string& property : properties) spec += xml_element("pathSet", property);
  return spec + "</propSet>";
}

Result<VimReply> create_view(VimSession& session, std::string_view type) {
  const ServiceContent& service = session.service();
  return session.call_once({.self = service.view_manager,
                            .method = "CreateContainerView",
                            .arguments = xml_reference("container", service.root_folder) +
                                         xml_element("type", type) + "<recursive>true</recursive>"});
}

Result<std::vector<ObjectProperties>> read_view(VimSession& session, const ManagedObject& view,
                                                std::string_view type,
                                                const std::vector<std::string>& properties) {
  const ManagedObject& collector = session.service().property_collector;
  VimCall call{.self = collector, .method = "RetrievePropertiesEx"};
  call.arguments = fmt::format(
      "<specSet>{}<objectSet>{}<skip>true</skip><selectSet xsi:type=\"TraversalSpec\"><name>view</name>"
      "<type>ContainerView</type><path>view</path><skip>false</skip></selectSet></objectSet></specSet>"
      "<options><maxObjects>{}</maxObjects></options>",
      property_spec(type, properties), xml_reference("obj", view), page_objects);
  std::vector<ObjectProperties> objects;
  for (;;) {
    const VimReply reply = TRY(session.call_once(call));
    for (const XmlElement& object : reply.value().children("objects"))
      objects.emplace_back(reply.document(), object);
    const std::string token = reply.value().child("token").text();
    if (token.empty()) return objects;
    call = {.self = collector,
            .method = "ContinueRetrievePropertiesEx",
            .arguments = xml_element("token", token)};
  }
}

}  // namespace

ObjectProperties::ObjectProperties(std::shared_ptr<const XmlDocument> document,
                                   const XmlElement& object_content)
    : document_(std::move(document)), object_(read_reference(object_content.child("obj"))) {
  for (const XmlElement& property : object_content.children("propSet")) {
    values_.emplace(property.child("name").text(), property.child("val"));
  }
}

XmlElement ObjectProperties::get(std::string_view property) const {
  const auto found = values_.find(property);
  return found == values_.end() ? XmlElement() : found->second;
}

Result<ObjectProperties> read_properties(VimSession& session, const ManagedObject& object,
                                         const std::vector<std::string>& properties) {
  const VimReply reply =
      TRY(session.call({.self = session.service().property_collector,
                        .method = "RetrievePropertiesEx",
                        .arguments = "<specSet>" + property_spec(object.type, properties) + "<objectSet>" +
                                     xml_reference("obj", object) +
                                     "<skip>false</skip></objectSet></specSet><options></options>"}));
  const auto objects = reply.value().children("objects");
  if (objects.empty()) {
    return error(ErrorCode::not_found, "the {} '{}' does not exist (any more)", object.type, object.value);
  }
  return ObjectProperties(reply.document(), objects.front());
}

Result<std::vector<ObjectProperties>> read_all(VimSession& session, std::string_view type,
                                               const std::vector<std::string>& properties) {
  return session.in_one_session([&]() -> Result<std::vector<ObjectProperties>> {
    const VimReply created = TRY(create_view(session, type));
    const ManagedObject view = read_reference(created.value());
    auto objects = read_view(session, view, type, properties);
    // What is left behind ends with the session.
    static_cast<void>(session.call_once({.self = view, .method = "DestroyView"}).ok());
    return objects;
  });
}

}  // namespace rekindle
