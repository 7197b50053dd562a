// The rules of security groups. They are kept and shown; the instances' network lets in what is forwarded to
// port 80 anyway.
#pragma once

#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

// What a new group lets out.
GroupRule everything_out();
// Items of ipPermissions or ipPermissionsEgress.
void write_rules(Xml set, const SecurityGroup& group, bool egress, const std::string& account);

}  // namespace rekindle::sandbox
