#include "vmware/fault.h"

#include <algorithm>
#include <array>

namespace rekindle {

namespace {

struct FaultRule {
  std::string_view type;
  ErrorCode code;
  std::string_view advice;  // "" where the server's sentence says enough
};

constexpr std::array rules = {
    FaultRule{"InvalidLogin", ErrorCode::unauthenticated, "the server refused the user name or the password"},
    FaultRule{"NotAuthenticated", ErrorCode::unauthenticated, "the server ended the session"},
    FaultRule{"NoPermission", ErrorCode::permission_denied, ""},
    FaultRule{"HostAccessRestrictedToManagementServer", ErrorCode::permission_denied,
              "this ESXi host takes orders only from its vCenter Server: register that instead"},
    FaultRule{
        "RestrictedVersion", ErrorCode::failed_precondition,
        "the licence of this ESXi host allows the API only to read (the free ESXi does): snapshots need a "
        "licensed host"},
    FaultRule{"MethodNotFound", ErrorCode::not_found, "the server does not know this call"},
    FaultRule{"ManagedObjectNotFound", ErrorCode::not_found, "the object does not exist (any more)"},
    FaultRule{"NotFound", ErrorCode::not_found, ""},
    FaultRule{"FileNotFound", ErrorCode::not_found, ""},
    FaultRule{"TaskInProgress", ErrorCode::unavailable, "another task of the machine is running"},
    FaultRule{"VAppTaskInProgress", ErrorCode::unavailable, "another task of its vApp is running"},
    FaultRule{"ConcurrentAccess", ErrorCode::unavailable, ""},
    FaultRule{"ResourceInUse", ErrorCode::unavailable, ""},
    FaultRule{"FileLocked", ErrorCode::unavailable, ""},
    FaultRule{"HostCommunication", ErrorCode::unavailable, "vCenter has lost the host"},
    FaultRule{"HostNotConnected", ErrorCode::unavailable, "vCenter has lost the host"},
    FaultRule{"HostNotReachable", ErrorCode::unavailable, "vCenter has lost the host"},
    FaultRule{"Timedout", ErrorCode::unavailable, ""},
    FaultRule{"NoDiskSpace", ErrorCode::exhausted, "the datastore is full: make room on it"},
    FaultRule{"InsufficientResourcesFault", ErrorCode::exhausted, ""},
    FaultRule{"TooManySnapshotLevels", ErrorCode::exhausted, "delete snapshots of the machine"},
    FaultRule{"AlreadyExists", ErrorCode::already_exists, ""},
    FaultRule{"DuplicateName", ErrorCode::already_exists, ""},
    FaultRule{"RequestCanceled", ErrorCode::cancelled, "the task was cancelled at the server"},
    FaultRule{"InvalidArgument", ErrorCode::invalid_argument, ""},
    FaultRule{"InvalidName", ErrorCode::invalid_argument, ""},
    FaultRule{"FileFault", ErrorCode::failed_precondition, ""},
    FaultRule{"CannotAccessFile", ErrorCode::failed_precondition, ""},
    FaultRule{"CannotAccessVmDisk", ErrorCode::failed_precondition, ""},
    FaultRule{"NotSupported", ErrorCode::failed_precondition, ""},
    FaultRule{"InvalidState", ErrorCode::failed_precondition, ""},
    FaultRule{"InvalidPowerState", ErrorCode::failed_precondition, ""},
    FaultRule{"InvalidSnapshotFormat", ErrorCode::failed_precondition, ""},
    FaultRule{"SnapshotFault", ErrorCode::failed_precondition, ""},
    FaultRule{"SnapshotDisabled", ErrorCode::failed_precondition, ""},
    FaultRule{"SnapshotIncompatibleDeviceInVm", ErrorCode::failed_precondition, ""},
    FaultRule{"SnapshotLocked", ErrorCode::failed_precondition, ""},
    FaultRule{"SnapshotNoChange", ErrorCode::failed_precondition, ""},
    FaultRule{"ApplicationQuiesceFault", ErrorCode::failed_precondition, ""},
    FaultRule{"FilesystemQuiesceFault", ErrorCode::failed_precondition, ""},
    FaultRule{"ToolsUnavailable", ErrorCode::failed_precondition, ""},
};

const FaultRule* rule_of(std::string_view type) {
  const auto* found = std::ranges::find(rules, type, &FaultRule::type);
  return found == rules.end() ? nullptr : found;
}

// The one field beside the sentence that says what to change.
std::string read_detail(const XmlElement& fault) {
  for (const std::string_view field : {"privilegeId", "file", "invalidProperty", "obj", "method", "name"}) {
    if (const XmlElement element = fault.child(field)) return element.text();
  }
  return {};
}

}  // namespace

VimFault read_soap_fault(const XmlElement& fault) {
  VimFault read;
  for (const XmlElement& part : fault.children()) {
    if (part.name() == "faultstring") read.message = part.text();
    if (part.name() != "detail" || part.children().empty()) continue;
    const XmlElement body = part.children().front();
    std::string_view type = body.xsi_type();
    if (type.empty()) {  // then the element is named after it: NotAuthenticatedFault
      type = body.name();
      if (type.ends_with("Fault") && rule_of(type) == nullptr) type.remove_suffix(5);
    }
    read.type = type;
    read.detail = read_detail(body);
  }
  return read;
}

VimFault read_localized_fault(const XmlElement& localized) {
  const XmlElement body = localized.child("fault");
  return {std::string(body.xsi_type()), localized.child("localizedMessage").text(), read_detail(body)};
}

Error to_error(const VimFault& fault) {
  const FaultRule* rule = rule_of(fault.type);
  if (fault.type == "NoPermission") {
    return error(ErrorCode::permission_denied,
                 "the account lacks the vSphere privilege '{}': add it to the account's role", fault.detail);
  }
  std::string sentence =
      fault.message.empty() ? fmt::format("the server answered {}", fault.type) : fault.message;
  if (!fault.detail.empty() && sentence.find(fault.detail) == std::string::npos) {
    sentence += fmt::format(" ({})", fault.detail);
  }
  if (rule == nullptr) return error(ErrorCode::internal, "{} ({})", sentence, fault.type);
  if (rule->advice.empty()) return {rule->code, std::move(sentence)};
  return error(rule->code, "{} ({})", rule->advice, sentence);
}

bool is_quiesce_fault(const VimFault& fault) {
  return fault.type == "ApplicationQuiesceFault" || fault.type == "FilesystemQuiesceFault" ||
         fault.type == "ToolsUnavailable";
}

}  // namespace rekindle
