#include "sandbox/region/run_command.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "sandbox/region/json_members.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

constexpr std::size_t most_instances = 50, longest_comment = 100, longest_folder = 4096;
constexpr std::size_t longest_script = 65536;
constexpr std::int64_t usual_timeout = 3600, least_timeout = 30, longest_timeout = 2592000;
constexpr std::int64_t longest_execution = 172800;

// UTF-8: all bytes but those that go on with a character.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool is_instance_id(std::string_view id) {
  const bool is_long_enough = id.size() == 10 || id.size() == 19;
  return is_long_enough && id.starts_with("i-") && std::all_of(id.begin() + 2, id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
         });
}

Outcome<std::vector<std::string>> named_instances(const json& body) {
  auto ids = TRY(texts_member(body, "InstanceIds"));
  if (ids.size() > most_instances)
    return invalid_member("instanceIds", std::to_string(ids.size()) + " ids",
                          fmt::format("Member must have length less than or equal to {}", most_instances));
  for (const std::string& id : ids) {
    if (!is_instance_id(id))
      return invalid_member(
          "instanceIds", id,
          R"(Member must satisfy regular expression pattern: (^i-(\w{8}|\w{17})$)|(^mi-\w{17}$))");
  }
  if (std::set(ids.begin(), ids.end()).size() != ids.size())
    return refuse("DuplicateInstanceId", "You cannot specify an instance ID in more than one association");
  return ids;
}

Outcome<> check_document(const std::string& name) {
  if (name == shell_document) return {};
  return refuse("InvalidDocument", "Document with name {} does not exist.", name);
}

Outcome<std::int64_t> execution_timeout(const Command& command) {
  const auto given = command.parameters.find("executionTimeout");
  if (given == command.parameters.end()) return usual_timeout;
  const std::string text = given->second.size() == 1 ? given->second.front() : "";
  std::int64_t seconds = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (wrong != std::errc() || end != text.data() + text.size() || seconds < 1 || seconds > longest_execution)
    return refuse("InvalidParameters", "Parameter executionTimeout is one number of seconds from 1 to {}",
                  longest_execution);
  return seconds;
}

Outcome<> check_parameters(const Command& command) {
  static const std::set<std::string> known = {"commands", "executionTimeout", "workingDirectory"};
  for (const auto& [name, values] : command.parameters) {
    if (!known.contains(name))
      return refuse("InvalidParameters", "Parameter {} is not defined in the document", name);
  }
  const auto commands = command.parameters.find("commands");
  if (commands == command.parameters.end() || commands->second.empty())
    return refuse("InvalidParameters", "Parameter commands is required by the document {}", shell_document);
  std::size_t bytes = 0;
  for (const std::string& line : commands->second) {
    bytes += line.size() + 1;
    if (line.find('\0') != std::string::npos)
      return refuse("InvalidParameters", "Parameter commands has a character that no script can have");
  }
  if (bytes > longest_script)
    return refuse("MaxDocumentSizeExceeded", "The commands have more than {} bytes", longest_script);
  const auto folder = command.parameters.find("workingDirectory");
  if (folder == command.parameters.end()) return {};
  const bool is_one = folder->second.size() == 1 && folder->second.front().size() <= longest_folder &&
                      folder->second.front().find_first_of(std::string_view("\n\0", 2)) == std::string::npos;
  if (!is_one) return refuse("InvalidParameters", "Parameter workingDirectory is one folder");
  return {};
}

Outcome<> read_parameters(const json& body, Command& command) {
  const json given = body.value("Parameters", json::object());
  if (!given.is_object()) return refuse("SerializationException", "The member Parameters is not a map");
  for (const auto& [name, values] : given.items())
    command.parameters[name] = TRY(texts_member(given, name.c_str()));
  TRY(check_parameters(command));
  command.execution_seconds = TRY(execution_timeout(command));
  return {};
}

std::int64_t next_number(const State& state) {
  std::int64_t last = 0;
  for (const auto& [id, command] : state.all<Command>()) last = std::max(last, command.number);
  return last + 1;
}

Outcome<Command> wanted_command(Cloud& cloud, const json& body) {
  Command command = cloud.make<Command>();
  command.id = SystemRandom().uuid();
  command.number = next_number(cloud.state());
  command.document = TRY(required_text(body, "DocumentName"));
  command.comment = TRY(text_member(body, "Comment"));
  if (characters(command.comment) > longest_comment)
    return invalid_member("comment", command.comment,
                          fmt::format("Member must have length less than or equal to {}", longest_comment));
  command.timeout_seconds =
      TRY(number_member(body, "TimeoutSeconds", usual_timeout, least_timeout, longest_timeout));
  command.instance_ids = TRY(named_instances(body));
  if (command.instance_ids.empty())
    return invalid_member("instanceIds", "[]", "The local region sends commands to InstanceIds only");
  TRY(check_document(command.document));
  TRY(read_parameters(body, command));
  return command;
}

Outcome<> check_nodes(Cloud& cloud, const Command& command) {
  std::vector<std::string> bad;
  for (const std::string& id : command.instance_ids) {
    const auto node = cloud.state().find<ManagedNode>(id);
    if (!node || !is_online(cloud, *node)) bad.push_back(id);
  }
  if (bad.empty()) return {};
  return refuse("InvalidInstanceId", "Instances [[{}]] not in a valid state for account {}",
                fmt::join(bad, ", "), cloud.options().account_id);
}

Outcome<json> send_command(Cloud& cloud, const json& body) {
  const Command command = TRY(wanted_command(cloud, body));
  TRY(check_nodes(cloud, command));
  cloud.state().put(command);
  for (const std::string& id : command.instance_ids) {
    Invocation invocation;
    invocation.id = invocation_id(command.id, id);
    invocation.created_ms = command.created_ms;
    invocation.due_ms =
        command.created_ms + (command.timeout_seconds + command.execution_seconds) * std::int64_t{1000};
    invocation.state = invocation.detail = "Pending";
    invocation.command_id = command.id;
    invocation.instance_id = id;
    invocation.number = command.number;
    cloud.state().put(invocation);
  }
  return json{{"Command", command_json(cloud, command)}};
}

Outcome<json> cancel_command(Cloud& cloud, const json& body) {
  const std::string id = TRY(required_text(body, "CommandId"));
  const Command command = TRY(cloud.require<Command>(id));
  const auto named = TRY(named_instances(body));
  for (const std::string& instance : named.empty() ? command.instance_ids : named) {
    auto invocation = cloud.state().find<Invocation>(invocation_id(id, instance));
    if (!invocation) return refuse("InvalidInstanceId", "The command {} was not sent to {}", id, instance);
    if (has_ended(*invocation)) continue;
    invocation->state = invocation->state == "Pending" ? "Cancelled" : "Cancelling";
    invocation->detail = invocation->state;
    cloud.state().put(*invocation);
  }
  return json::object();
}

using Handler = Outcome<json> (*)(Cloud& cloud, const json& body);
Handler handler_of(std::string_view action) {
  struct Entry {
    std::string_view action;
    Handler handler;
  };
  static constexpr Entry entries[] = {
      {"SendCommand", send_command},
      {"CancelCommand", cancel_command},
      {"ListCommands", list_commands},
      {"GetCommandInvocation", get_command_invocation},
      {"DescribeInstanceInformation", describe_instance_information},
  };
  const auto* entry = std::find_if(std::begin(entries), std::end(entries),
                                   [&](const Entry& one) { return one.action == action; });
  return entry == std::end(entries) ? nullptr : entry->handler;
}

}  // namespace

bool is_run_command(std::string_view action) {
  return handler_of(action) != nullptr;
}

Outcome<json> run_command(Cloud& cloud, std::string_view action, const json& body) {
  const Handler handler = handler_of(action);
  CHECK(handler != nullptr);
  const std::lock_guard lock(cloud.mutex());
  auto done = handler(cloud, body);
  if (done.ok()) {
    TRY(cloud.state().commit());
  } else {
    TRY(cloud.state().roll_back());
  }
  return done;
}

std::string invocation_id(const std::string& command_id, const std::string& instance_id) {
  return command_id + ":" + instance_id;
}

bool has_ended(const Invocation& invocation) {
  const std::string& status = invocation.state;
  return status != "Pending" && status != "InProgress" && status != "Cancelling";
}

bool may_begin(Cloud& cloud, const Invocation& invocation) {
  const auto command = cloud.state().find<Command>(invocation.command_id);
  return command && invocation.state == "Pending" &&
         command->created_ms + command->timeout_seconds * 1000 > cloud.now_ms();
}

bool is_online(Cloud& cloud, const ManagedNode& node) {
  const auto instance = cloud.state().find<Instance>(node.id);
  const std::int64_t heard_ms = std::max(node.last_ping_ms, cloud.opened_ms());
  return instance && instance->state == "running" &&
         cloud.now_ms() - heard_ms <= cloud.knobs().agent_lost.count();
}

}  // namespace rekindle::sandbox
