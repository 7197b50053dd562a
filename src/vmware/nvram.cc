#include "vmware/nvram.h"

#include "site/snapshot_source.h"
#include "vmware/vm_config_spec.h"

namespace rekindle {

namespace {

// Only what the answer's headers may add.
constexpr std::size_t slack_bytes = 4096;

Error refused(int status, const std::string& name) {
  switch (status) {
    case 401:
    case 403:
      return error(
          ErrorCode::permission_denied,
          "the account may not read or write '{}': it needs the vSphere privileges Datastore.Browse and "
          "Datastore.FileManagement on the datastore",
          name);
    case 404:
    case 410:
      return error(ErrorCode::not_found,
                   "'{}' is not there: the machine was never started, or its file was removed", name);
    case 500:  // only of reading: what is written belongs to a machine that was never started
      return error(ErrorCode::failed_precondition,
                   "the host keeps '{}' locked (HTTP 500): back the machine up once while it is off; backups "
                   "keep on what was read",
                   name);
    default:
      return error(ErrorCode::internal, "'{}': unexpected HTTP {}", name, status);
  }
}

// A file of the machine's own folder, as its configuration names it. Empty: it names none, or by a path of
// the host's own, which nobody outside can use.
std::string configured_name(const ObjectProperties& vm) {
  std::string name = extra_config_value(vm, "nvram");
  return name.starts_with('/') || name.starts_with('[') ? std::string() : name;
}

Result<DatastorePath> configuration_file(const ObjectProperties& vm) {
  return DatastorePath::parse(vm.get("config.files").child("vmPathName").text());
}

Result<DatastorePath> beside(const DatastorePath& file, const std::string& name) {
  return DatastorePath::parse(file.sibling(name).str());  // once more: a name must not climb
}

// "web" of "web/web.vmx"; "web.1" of "web/web.1".
std::string stem_of(const DatastorePath& vmx) {
  std::string name = vmx.file.substr(vmx.file.rfind('/') + 1);
  if (name.ends_with(".vmx")) name.resize(name.size() - 4);
  return name;
}

bool is_success(int status) {
  return status == 200 || status == 201 || status == 204;
}

}  // namespace

const std::vector<std::string>& nvram_properties() {
  static const std::vector<std::string> names = {"name",         "config.firmware", "config.extraConfig",
                                                 "config.files", "layoutEx",        "runtime.powerState"};
  return names;
}

Result<DatastorePath> nvram_path(const ObjectProperties& vm) {
  if (const std::string name = configured_name(vm); !name.empty()) {
    const DatastorePath vmx = TRY(configuration_file(vm));
    return beside(vmx, name);
  }
  for (const XmlElement& file : vm.get("layoutEx").children("file")) {
    if (file.child("type").text() == "nvram") return DatastorePath::parse(file.child("name").text());
  }
  return error(ErrorCode::not_found, "the server does not say where the NVRAM of '{}' lies", vm.text("name"));
}

Result<NvramToBe> nvram_to_be(const ObjectProperties& vm) {
  const DatastorePath vmx = TRY(configuration_file(vm));
  std::string name = configured_name(vm);
  const bool is_named = !name.empty();
  if (!is_named) name = stem_of(vmx) + ".nvram";
  DatastorePath path = TRY(beside(vmx, name));
  return NvramToBe{std::move(path), is_named ? std::string() : name};
}

Result<Bytes> download_nvram(VimSession& session, const std::string& url, const DatastorePath& path) {
  HttpResponse answer =
      TRY(session.get(url, {}, most_firmware_variables_bytes + slack_bytes), "{}", path.str());
  if (answer.status != 200) return refused(answer.status, path.str());
  if (answer.body.empty()) return error(ErrorCode::corrupt, "'{}' is empty", path.str());
  if (answer.body.size() > most_firmware_variables_bytes) {
    return error(ErrorCode::corrupt, "'{}' has more than {}: it is no NVRAM", path.str(),
                 human_bytes(most_firmware_variables_bytes));
  }
  return std::move(answer.body);
}

Result<> upload_nvram(VimSession& session, const std::string& url, const DatastorePath& path,
                      ByteView content) {
  const auto answer = session.put(url, content);
  if (answer.ok() && is_success(answer->status)) return {};
  // A refusal wrote nothing: what is there then is whole, of an earlier call.
  if (!answer.ok() || answer->status >= 500) {
    const auto removed = session.remove(url);
    static_cast<void>(removed.ok());  // what was wrong with the upload is what is said
  }
  if (!answer.ok()) return Error(answer.error()).context("writing '{}'", path.str());
  return refused(answer->status, path.str());
}

}  // namespace rekindle
