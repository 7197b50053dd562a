// A call of the API on its way through the service.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sandbox/datacenter/soap.h"
#include "sandbox/datacenter/vim_session.h"
#include "sandbox/datacenter/vim_tasks.h"

namespace rekindle::sandbox {

struct VimCall : SoapCall {
  std::shared_ptr<VimSession> session;  // nullptr: not logged in
  std::string remote_address;
  std::string user_agent;
};

// What goes back: the content of the response element, or a fault.
struct VimAnswer {
  VimAnswer() = default;
  explicit VimAnswer(std::string content) : inside(std::move(content)) {}
  VimAnswer(Fault failure) : fault(std::move(failure)) {}  // NOLINT(google-explicit-constructor)
  VimAnswer(const Value& value)
      : inside(to_xml("returnval", value)) {}               // NOLINT(google-explicit-constructor)
  VimAnswer(Reply reply) : fault(std::move(reply.fault)) {  // NOLINT(google-explicit-constructor)
    if (reply.value) inside = to_xml("returnval", *reply.value);
  }
  std::string inside;
  std::optional<Fault> fault;
  std::string cookie;  // set this one
};

inline Fault not_authenticated(const Reference& reference) {
  return {"NotAuthenticated",
          "The session is not authenticated.",
          {{"object", to_value(reference), false},
           {"privilegeId", primitive("xsd:string", "System.View"), false}}};
}
inline Fault invalid_argument(const std::string& property) {
  return {"InvalidArgument",
          "A specified parameter was not correct: " + property,
          {{"invalidProperty", primitive("xsd:string", property), false}}};
}

}  // namespace rekindle::sandbox
