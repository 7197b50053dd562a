// vSphere's API: POST /sdk. Finds the method, checks the session and the parameters, calls it.
#pragma once

#include <map>

#include "net/http.h"
#include "sandbox/datacenter/inventory.h"
#include "sandbox/datacenter/vim_call.h"
#include "sandbox/datacenter/vim_folder_methods.h"
#include "sandbox/datacenter/vim_machine_methods.h"
#include "sandbox/datacenter/vim_properties.h"

namespace rekindle::sandbox {

// The session of a request by its cookie; nullptr if there is none (any more).
std::shared_ptr<VimSession> session_of(const HttpRequest& request, VimSessions& sessions);

// Any thread. All that it is given outlives it.
class VimService {
 public:
  VimService(Host& host, VimTasks& tasks, VimSessions& sessions, Trouble& trouble,
             std::size_t areas_per_reply);
  HttpResponse handle(const HttpRequest& request);
  static HttpResponse service_versions();

 private:
  struct Method {
    std::string type;                     // of _this
    std::vector<std::string> parameters;  // in the order of the schema
    std::function<VimAnswer(const VimCall&)> call;
    bool needs_login;
  };
  void add(std::string name, std::string type, std::vector<std::string> parameters,
           std::function<VimAnswer(const VimCall&)> call, bool needs_login = true);
  void add_session_methods();
  void add_property_methods();
  void add_view_methods();
  void add_machine_methods();
  VimAnswer dispatch(const VimCall& call);
  VimAnswer login(const VimCall& call);
  VimAnswer logout(const VimCall& call);
  VimAnswer create_container_view(const VimCall& call);
  VimAnswer create_list_view(const VimCall& call);
  VimAnswer destroy_view(const VimCall& call);
  VimAnswer find_by_uuid(const VimCall& call);
  VimAnswer find_by_inventory_path(const VimCall& call);
  VimAnswer cancel_task(const VimCall& call);

  Host& host_;
  VimTasks& tasks_;
  VimSessions& sessions_;
  Trouble& trouble_;
  const Inventory inventory_;
  const VimProperties properties_;
  VimMachineMethods machines_;
  VimFolderMethods folders_;
  std::map<std::string, Method> methods_;
};

}  // namespace rekindle::sandbox
