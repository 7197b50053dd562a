// The agents of instances that run commands (run_command.h). AWS's agent speaks to the service with the keys
// of its instance's role; from a guest here no road leads there but the metadata service's cable, so that its
// agent asks on that, beside /latest/, by POST. It is known by the cable.
//
//   /rekindle-sandbox/agent/poll                      the agent is there, and free: "idle\n", or what to run:
//     platform_name=Debian GNU/Linux                  "run COMMAND SECONDS\nFOLDER\nSCRIPT": as long as that,
//     platform_version=12                             in the folder, if that is not empty
//     computer_name=web
//     agent_version=1.0
//   .../start?command=COMMAND&agent=LIFE              200: it may begin it, and will be the only one; 409: it
//                                                     must not. LIFE is drawn once, when the agent starts;
//                                                     the same one is answered the same again
//   .../running?command=COMMAND&agent=LIFE            "go on\n", or "stop\n": it is cancelled, or too late
//   .../end?command=COMMAND&agent=LIFE&code=3&output=123   what it wrote: so many bytes to standard output,
//                                                     then to standard error. 137, as a shell calls SIGKILL,
//                                                     is the agent's own doing: cancelled, or timed out
//
// 403: the instance may not have an agent. 400: it is none of these; 404: there is no such command.
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/roles.h"

namespace rekindle::sandbox {

constexpr std::string_view agents_prefix = "/rekindle-sandbox/agent/";

// Whether the instance's agent may register, as on AWS: its profile's role allows
// ssm:UpdateInstanceInformation (a role that the region was not told of does), and the metadata service, from
// which it had the role's keys, is not switched off. Whoever calls holds the cloud's mutex.
bool may_have_agent(Cloud& cloud, const Roles& roles, const Instance& instance);

// Locks the cloud. What the guest sends is bounded and cleaned: names to 100 printable characters, output to
// what is kept, as UTF-8.
HttpResponse answer_agent(Cloud& cloud, const Roles& roles, const std::string& instance_id,
                          const HttpRequest& request);

}  // namespace rekindle::sandbox
