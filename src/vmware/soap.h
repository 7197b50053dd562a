// The envelope of vim25: one method call in, one answer or fault out.
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"
#include "vmware/vim_session.h"

namespace rekindle {

// POST to /sdk. `version` is of the API that we speak, as vimServiceVersions.xml lists it: "7.0".
HttpRequest soap_request(const std::string& origin, std::string_view version, const VimCall& call);

// An Error for what is no answer to a SOAP call: 503 (`unavailable`), 404 (not a vSphere server), no XML.
Result<VimOutcome> read_soap_answer(const HttpResponse& answer, std::string_view method);

// The session is gone: said as a fault of the call, or hidden in the missingSet of a property read.
bool says_not_authenticated(const VimOutcome& outcome);

// The newest version of the API that both sides know, from vimServiceVersions.xml; "5.5" if there is none.
std::string choose_version(std::string_view service_versions_xml);

}  // namespace rekindle
