// What Run Command tells of commands, and of the instances that take them.
#include <algorithm>
#include <charconv>

#include "sandbox/region/json_members.h"
#include "sandbox/region/run_command.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

constexpr const char* plugin = "aws:runShellScript";
constexpr std::int64_t usual_nodes = 10, least_nodes = 5, most_on_a_page = 50;

double epoch_seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1000;
}

// "": it has not come yet.
std::string iso(std::int64_t ms) {
  return ms == 0 ? "" : to_iso8601(Time(std::chrono::milliseconds(ms)));
}

std::vector<Invocation> invocations_of(Cloud& cloud, const Command& command) {
  std::vector<Invocation> all;
  for (const std::string& instance : command.instance_ids) {
    if (auto one = cloud.state().find<Invocation>(invocation_id(command.id, instance))) all.push_back(*one);
  }
  return all;
}

struct Standing {
  std::string status, detail;
};

// Of a command, by its invocations: as long as one has not ended that it goes on, then the worst of them.
Standing standing_of(const std::vector<Invocation>& all) {
  const auto with = [&](std::string_view status) {
    return std::find_if(all.begin(), all.end(), [&](const Invocation& one) { return one.state == status; });
  };
  const auto is_pending = [](const Invocation& one) { return one.state == "Pending"; };
  if (std::all_of(all.begin(), all.end(), is_pending)) return {"Pending", "Pending"};
  if (with("Cancelling") != all.end()) return {"Cancelling", "Cancelling"};
  if (with("InProgress") != all.end() || with("Pending") != all.end()) return {"InProgress", "InProgress"};
  for (const char* status : {"Failed", "TimedOut", "Cancelled"}) {
    const auto one = with(status);
    if (one != all.end()) return {status, one->detail == "Undeliverable" ? "Failed" : one->detail};
  }
  return {"Success", "Success"};
}

template <typename Condition>
std::int64_t count_of(const std::vector<Invocation>& all, Condition is_so) {
  return std::count_if(all.begin(), all.end(), is_so);
}

Outcome<std::int64_t> number_in(const std::string& token) {
  std::int64_t number = 0;
  const auto [end, wrong] = std::from_chars(token.data(), token.data() + token.size(), number);
  if (wrong == std::errc() && end == token.data() + token.size()) return number;
  return refuse("InvalidNextToken", "The specified token isn't valid.");
}

// Newest first.
std::vector<Command> commands_for(Cloud& cloud, const std::string& id, const std::string& instance) {
  std::vector<Command> found;
  for (const auto& [key, command] : cloud.state().all<Command>()) {
    const auto& targets = command.instance_ids;
    const bool is_for =
        instance.empty() || std::find(targets.begin(), targets.end(), instance) != targets.end();
    if (is_for && (id.empty() || id == key) && !cloud.hidden(command)) found.push_back(command);
  }
  std::sort(found.begin(), found.end(),
            [](const Command& a, const Command& b) { return a.number > b.number; });
  return found;
}

std::string duration(std::int64_t ms) {
  return fmt::format("PT{}.{:03}S", ms / 1000, ms % 1000);
}

json node_json(Cloud& cloud, const ManagedNode& node) {
  const auto instance = cloud.state().find<Instance>(node.id);
  return {{"InstanceId", node.id},
          {"PingStatus", is_online(cloud, node) ? "Online" : "ConnectionLost"},
          {"LastPingDateTime", epoch_seconds(node.last_ping_ms)},
          {"AgentVersion", node.agent_version},
          {"IsLatestVersion", true},
          {"PlatformType", "Linux"},
          {"PlatformName", node.platform_name},
          {"PlatformVersion", node.platform_version},
          {"ResourceType", "EC2Instance"},
          {"IPAddress", instance ? instance->private_ip : ""},
          {"ComputerName", node.computer_name},
          {"SourceId", node.id},
          {"SourceType", "AWS::EC2::Instance"}};
}

struct NodeFilter {
  std::string member;  // of node_json
  std::vector<std::string> values;
};

Outcome<NodeFilter> node_filter(const json& filter) {
  if (!filter.is_object()) return refuse("SerializationException", "A filter is not a structure");
  // The older form of the list has names in lower case.
  const bool old = filter.contains("key");
  const std::string key = TRY(required_text(filter, old ? "key" : "Key"));
  NodeFilter wanted;
  wanted.values = TRY(texts_member(filter, old ? "valueSet" : "Values"));
  if (wanted.values.empty())
    return refuse("InvalidInstanceInformationFilterValue", "The filter {} has no values", key);
  if (key == "InstanceIds") wanted.member = "InstanceId";
  if (key == "PingStatus" || key == "ResourceType" || key == "AgentVersion") wanted.member = key;
  if (key == "PlatformType" || key == "PlatformTypes") wanted.member = "PlatformType";
  if (wanted.member.empty()) return refuse("InvalidFilterKey", "The local region has no filter {}", key);
  return wanted;
}

Outcome<std::vector<NodeFilter>> node_filters(const json& body) {
  std::vector<NodeFilter> filters;
  for (const char* list : {"Filters", "InstanceInformationFilterList"}) {
    const json given = body.value(list, json::array());
    if (!given.is_array()) return refuse("SerializationException", "The member {} is not a list", list);
    for (const json& one : given) {
      NodeFilter filter = TRY(node_filter(one));
      filters.push_back(std::move(filter));
    }
  }
  return filters;
}

bool passes_all(const json& node, const std::vector<NodeFilter>& filters) {
  return std::all_of(filters.begin(), filters.end(), [&](const NodeFilter& filter) {
    const auto value = node.at(filter.member).get<std::string>();
    return std::find(filter.values.begin(), filter.values.end(), value) != filter.values.end();
  });
}

}  // namespace

json command_json(Cloud& cloud, const Command& command) {
  const auto all = invocations_of(cloud, command);
  const Standing standing = standing_of(all);
  const std::int64_t expires_ms =
      command.created_ms + (command.timeout_seconds + command.execution_seconds) * 1000;
  return {{"CommandId", command.id},
          {"DocumentName", command.document},
          {"DocumentVersion", "$DEFAULT"},
          {"Comment", command.comment},
          {"ExpiresAfter", epoch_seconds(expires_ms)},
          {"Parameters", command.parameters},
          {"InstanceIds", command.instance_ids},
          {"Targets", json::array()},
          {"RequestedDateTime", epoch_seconds(command.created_ms)},
          {"Status", standing.status},
          {"StatusDetails", standing.detail},
          {"MaxConcurrency", "50"},
          {"MaxErrors", "0"},
          {"TargetCount", command.instance_ids.size()},
          {"CompletedCount", count_of(all, has_ended)},
          {"ErrorCount", count_of(all,
                                  [](const Invocation& one) {
                                    return one.detail == "Failed" || one.detail == "ExecutionTimedOut";
                                  })},
          {"DeliveryTimedOutCount",
           count_of(all, [](const Invocation& one) { return one.detail == "DeliveryTimedOut"; })},
          {"TimeoutSeconds", command.timeout_seconds}};
}

Outcome<json> list_commands(Cloud& cloud, const json& body) {
  const std::string id = TRY(text_member(body, "CommandId"));
  const std::string instance = TRY(text_member(body, "InstanceId"));
  const std::int64_t limit = TRY(number_member(body, "MaxResults", most_on_a_page, 1, most_on_a_page));
  const std::string token = TRY(text_member(body, "NextToken"));
  if (body.contains("Filters")) return refuse("InvalidFilterKey", "The local region has no filters here");
  std::int64_t before = INT64_MAX;
  if (!token.empty()) before = TRY(number_in(token));
  json page = {{"Commands", json::array()}};
  std::int64_t last = 0;
  for (const Command& command : commands_for(cloud, id, instance)) {
    if (command.number >= before) continue;
    if (page["Commands"].size() == static_cast<std::size_t>(limit)) {
      page["NextToken"] = std::to_string(last);
      break;
    }
    page["Commands"].push_back(command_json(cloud, command));
    last = command.number;
  }
  return page;
}

Outcome<json> get_command_invocation(Cloud& cloud, const json& body) {
  const std::string command_id = TRY(required_text(body, "CommandId"));
  const std::string instance = TRY(required_text(body, "InstanceId"));
  const std::string asked = TRY(text_member(body, "PluginName"));
  if (!asked.empty() && asked != plugin) return refuse("InvalidPluginName", "The plugin is {}", plugin);
  const auto found = cloud.state().find<Invocation>(invocation_id(command_id, instance));
  const auto command = cloud.state().find<Command>(command_id);
  if (!found || !command || cloud.hidden(*found)) return refuse("InvocationDoesNotExist", "");
  const bool started = found->started_ms != 0;
  return json{
      {"CommandId", command_id},
      {"InstanceId", instance},
      {"Comment", command->comment},
      {"DocumentName", command->document},
      {"DocumentVersion", "$DEFAULT"},
      {"PluginName", plugin},
      {"ResponseCode", found->response_code},
      {"ExecutionStartDateTime", iso(found->started_ms)},
      {"ExecutionElapsedTime",
       started && found->ended_ms != 0 ? duration(found->ended_ms - found->started_ms) : ""},
      {"ExecutionEndDateTime", iso(found->ended_ms)},
      {"Status", found->state},
      {"StatusDetails", found->detail},
      {"StandardOutputContent", found->output},
      {"StandardOutputUrl", ""},
      {"StandardErrorContent", found->errors},
      {"StandardErrorUrl", ""},
      {"CloudWatchOutputConfig", {{"CloudWatchLogGroupName", ""}, {"CloudWatchOutputEnabled", false}}}};
}

// An instance whose agent has not registered is simply not in the list, whatever the filter.
Outcome<json> describe_instance_information(Cloud& cloud, const json& body) {
  const auto filters = TRY(node_filters(body));
  const std::int64_t limit = TRY(number_member(body, "MaxResults", usual_nodes, least_nodes, most_on_a_page));
  const std::string token = TRY(text_member(body, "NextToken"));
  const auto& all = cloud.state().all<ManagedNode>();
  json page = {{"InstanceInformationList", json::array()}};
  json& list = page["InstanceInformationList"];
  for (auto at = all.upper_bound(token); at != all.end(); ++at) {
    json node = node_json(cloud, at->second);
    if (!passes_all(node, filters)) continue;
    if (list.size() == static_cast<std::size_t>(limit)) {
      page["NextToken"] = list.back().at("InstanceId");
      break;
    }
    list.push_back(std::move(node));
  }
  return page;
}

}  // namespace rekindle::sandbox
