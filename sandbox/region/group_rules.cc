#include "sandbox/region/group_rules.h"

#include "sandbox/region/addresses.h"

namespace rekindle::sandbox {

namespace {

// How each kind of peer is called in requests and answers.
struct PeerKind {
  const char* kind;
  const char* list;       // in requests
  const char* parameter;  // in requests
  const char* set;        // in answers
  const char* element;    // in answers
};
constexpr PeerKind peer_kinds[] = {
    {"cidr", "IpRanges", "CidrIp", "ipRanges", "cidrIp"},
    {"cidr6", "Ipv6Ranges", "CidrIpv6", "ipv6Ranges", "cidrIpv6"},
    {"group", "Groups", "GroupId", "groups", "groupId"},
    {"prefix", "PrefixListIds", "PrefixListId", "prefixListIds", "prefixListId"},
};

std::string protocol_name(const std::string& text) {
  static const std::map<std::string, std::string> names = {
      {"1", "icmp"}, {"6", "tcp"}, {"17", "udp"}, {"58", "icmpv6"}, {"all", "-1"}};
  const auto found = names.find(text);
  return found == names.end() ? text : found->second;
}

Outcome<GroupRule> rule_without_peer(const Parameters& in, bool egress) {
  GroupRule rule;
  rule.egress = egress;
  const std::string protocol = TRY(in.required("IpProtocol"));
  rule.protocol = protocol_name(protocol);
  rule.from_port = TRY(in.number("FromPort", -1));
  rule.to_port = TRY(in.number("ToPort", -1));
  if (rule.protocol == "-1") rule.from_port = rule.to_port = -1;
  return rule;
}

Outcome<> check_peer(Cloud& cloud, const GroupRule& rule) {
  if (rule.kind == "cidr" && !Network::parse(rule.peer))
    return refuse("InvalidParameterValue", "CIDR block {} is malformed", rule.peer);
  if (rule.kind == "group") TRY(cloud.require<SecurityGroup>(rule.peer));
  return {};
}

// One permission of a request, as a rule for each of its peers.
Outcome<> take_permission(Ec2Call& call, const Parameters& in, bool egress, std::vector<GroupRule>& rules) {
  GroupRule rule = TRY(rule_without_peer(in, egress));
  const std::size_t before = rules.size();
  for (const PeerKind& kind : peer_kinds) {
    rule.kind = kind.kind;
    for (const Parameters& peer : in.structures(kind.list)) {
      rule.peer = TRY(peer.required(kind.parameter));
      rule.description = peer.text("Description");
      TRY(check_peer(call.cloud, rule));
      rules.push_back(rule);
    }
  }
  if (in.has("CidrIp")) {
    rule.kind = "cidr";
    rule.peer = in.text("CidrIp");
    TRY(check_peer(call.cloud, rule));
    rules.push_back(rule);
  }
  if (rules.size() == before)
    return refuse("MissingParameter", "A permission needs a source or a destination");
  return {};
}

Outcome<std::vector<GroupRule>> rules_of(Ec2Call& call, bool egress) {
  std::vector<GroupRule> rules;
  const auto permissions = call.in.structures("IpPermissions");
  if (permissions.empty()) TRY(take_permission(call, call.in, egress, rules));
  for (const Parameters& permission : permissions) TRY(take_permission(call, permission, egress, rules));
  return rules;
}

bool same_ports(const GroupRule& a, const GroupRule& b) {
  return a.egress == b.egress && a.protocol == b.protocol && a.from_port == b.from_port &&
         a.to_port == b.to_port;
}

// Descriptions do not tell rules apart.
std::vector<GroupRule>::iterator find_rule(std::vector<GroupRule>& rules, const GroupRule& wanted) {
  return std::find_if(rules.begin(), rules.end(), [&](const GroupRule& rule) {
    return same_ports(rule, wanted) && rule.kind == wanted.kind && rule.peer == wanted.peer;
  });
}

Outcome<> authorize(Ec2Call& call, bool egress) {
  const std::string id = TRY(call.in.required("GroupId"));
  SecurityGroup group = TRY(call.cloud.require<SecurityGroup>(id));
  const auto wanted = TRY(rules_of(call, egress));
  for (const GroupRule& rule : wanted) {
    if (find_rule(group.rules, rule) != group.rules.end())
      return refuse("InvalidPermission.Duplicate", "the specified rule already exists in '{}'", id);
    group.rules.push_back(rule);
  }
  call.cloud.state().put(group);
  call.out.add("return", true);
  return {};
}

Outcome<> revoke(Ec2Call& call, bool egress) {
  const std::string id = TRY(call.in.required("GroupId"));
  SecurityGroup group = TRY(call.cloud.require<SecurityGroup>(id));
  const auto unwanted = TRY(rules_of(call, egress));
  for (const GroupRule& rule : unwanted) {
    const auto found = find_rule(group.rules, rule);
    if (found == group.rules.end()) {
      return refuse("InvalidPermission.NotFound",
                    "The specified rule does not exist in this security group.");
    }
    group.rules.erase(found);
  }
  call.cloud.state().put(group);
  call.out.add("return", true);
  return {};
}

Outcome<> authorize_ingress(Ec2Call& call) {
  return authorize(call, false);
}
Outcome<> authorize_egress(Ec2Call& call) {
  return authorize(call, true);
}
Outcome<> revoke_ingress(Ec2Call& call) {
  return revoke(call, false);
}
Outcome<> revoke_egress(Ec2Call& call) {
  return revoke(call, true);
}

// All peers of the permission that `first` is the first rule of.
void write_permission(Xml item, const std::vector<GroupRule>& rules, const GroupRule& first,
                      const std::string& account) {
  item.add("ipProtocol", first.protocol);
  if (first.from_port >= 0) item.add("fromPort", first.from_port);
  if (first.to_port >= 0) item.add("toPort", first.to_port);
  for (const PeerKind& kind : peer_kinds) {
    Xml set = item.child(kind.set);
    for (const GroupRule& rule : rules) {
      if (!same_ports(rule, first) || rule.kind != kind.kind) continue;
      Xml peer = set.item();
      if (rule.kind == "group") peer.add("userId", account);
      peer.add(kind.element, rule.peer);
      peer.add_if("description", rule.description);
    }
  }
}

}  // namespace

GroupRule everything_out() {
  return {true, "-1", -1, -1, "cidr", "0.0.0.0/0", ""};
}

void write_rules(Xml set, const SecurityGroup& group, bool egress, const std::string& account) {
  for (auto rule = group.rules.begin(); rule != group.rules.end(); ++rule) {
    const bool written = std::any_of(group.rules.begin(), rule,
                                     [&](const GroupRule& earlier) { return same_ports(earlier, *rule); });
    if (rule->egress == egress && !written) write_permission(set.item(), group.rules, *rule, account);
  }
}

std::span<const Ec2Action> group_rule_actions() {
  static constexpr Ec2Action actions[] = {
      {"AuthorizeSecurityGroupIngress", authorize_ingress},
      {"AuthorizeSecurityGroupEgress", authorize_egress},
      {"RevokeSecurityGroupIngress", revoke_ingress},
      {"RevokeSecurityGroupEgress", revoke_egress},
  };
  return actions;
}

}  // namespace rekindle::sandbox
