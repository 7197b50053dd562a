// GET and HEAD of /folder/...: the files of the datastore, with ranges, as vSphere serves them; PUT and
// DELETE of one kind of them, the NVRAM of a VM that is off. Disks are written elsewhere (disk_server.h), so
// that what is written is known (vSphere Web Services SDK Programming Guide, "HTTP Access to vSphere Server
// Files").
#pragma once

#include "net/http.h"
#include "sandbox/datacenter/host.h"
#include "sandbox/datacenter/trouble.h"
#include "sandbox/datacenter/vim_session.h"

namespace rekindle::sandbox {

// Any thread. All that it is given outlives it.
class DatastoreServer {
 public:
  // `locks`: as VMFS, which lets nobody read the flat file of a VM that runs.
  DatastoreServer(const Host& host, VimSessions& sessions, Trouble& trouble, bool locks)
      : host_(host), sessions_(sessions), trouble_(trouble), locks_(locks) {}

  HttpResponse handle(const HttpRequest& request);

 private:
  bool is_authenticated(const HttpRequest& request);
  HttpResponse read(const HttpRequest& request, const std::filesystem::path& relative);
  HttpResponse change(const HttpRequest& request, const std::filesystem::path& relative);
  bool is_locked(const std::filesystem::path& relative) const;

  const Host& host_;
  VimSessions& sessions_;
  Trouble& trouble_;
  const bool locks_;
};

}  // namespace rekindle::sandbox
