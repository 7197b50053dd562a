// The metadata service at 169.254.169.254 of each running instance. Beside QEMU's user network, on the same
// hub, hangs a cable whose other end is here: datagrams of one Ethernet frame each (guest_wire.h). So the
// service knows who asks by the cable, as EC2 does.
//
// An instance outlives the server, and so do its sockets' names: with the server gone the frames are lost,
// and a new one takes the cable up again.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "base/file.h"
#include "net/http.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/guest_wire.h"

namespace rekindle::sandbox {

class MetadataLinks {
 public:
  // Called without the cloud's mutex, by one thread.
  using Answer = std::function<HttpResponse(const std::string& instance_id, const HttpRequest& request)>;
  // `cloud` outlives it. It begins to answer at once, until it is destroyed.
  MetadataLinks(Cloud& cloud, Answer answer);

 private:
  struct Link {
    FileDescriptor socket;
    std::filesystem::path guest;  // the other end
    GuestWire wire;
  };

  void serve(const std::stop_token& stop);
  // A link for each instance that has a machine, and for no other.
  void follow_instances();
  void open_link(const std::string& instance_id);
  void wait_for_frames();
  static void read_frames(Link& link);
  void repeat();

  Cloud& cloud_;
  const Answer answer_;
  std::map<std::string, Link> links_;  // by instance
  std::chrono::steady_clock::time_point repeated_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace rekindle::sandbox
