// What a vSphere server answers when it does not do what it was asked: a fault of a type of the API, with a
// sentence in the server's words.
#pragma once

#include <string>

#include "base/result.h"
#include "vmware/xml.h"

namespace rekindle {

struct VimFault {
  std::string type;     // "NoPermission"
  std::string message;  // the server's sentence; may be empty
  std::string
      detail;  // the privilege of NoPermission, the file of a FileFault, the property of InvalidArgument, ...
};

// From <soapenv:Fault>.
VimFault read_soap_fault(const XmlElement& fault);
// From a LocalizedMethodFault: the error of a task, the fault of a missingSet.
VimFault read_localized_fault(const XmlElement& localized);

// The same for every call; calls that know better (QueryChangedDiskAreas) look at the type themselves.
Error to_error(const VimFault& fault);

// The guest could not bring its file systems to rest: a snapshot without that is still possible.
bool is_quiesce_fault(const VimFault& fault);

}  // namespace rekindle
