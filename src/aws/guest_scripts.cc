#include "aws/guest_scripts.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace rekindle {

namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr const char* shell_document = "AWS-RunShellScript";
// For so long a script may be on its way to an agent that took some a moment ago; AWS allows 30 and more.
constexpr seconds delivery_time{60};
// What the document's executionTimeout may be.
constexpr seconds shortest_patience{1};
constexpr seconds longest_patience{172800};

constexpr std::chrono::milliseconds attempt_time{30000};
// Who asks, asks again: a cancel is heard in between.
constexpr JsonOptions briefly{.repeatable = true, .attempts = 2, .timeout = std::chrono::milliseconds(10000)};
constexpr JsonOptions once{.repeatable = false, .attempts = 0, .timeout = attempt_time};

bool is_variable_name(std::string_view name) {
  constexpr std::string_view digits = "0123456789";
  constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return !name.empty() && digits.find(name.front()) == std::string_view::npos &&
         name.find_first_not_of(allowed) == std::string_view::npos;
}

// A word of sh, in which nothing means anything to it; nor to AWS, which looks for "{{".
std::string quoted(const std::string& value) {
  std::string word = "'";
  for (const char c : value) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      if (c == '{' && word.back() == '{') word += "''";
      word += c;
    }
  }
  return word + "'";
}

// The agent runs it as a file: it says itself by what.
Result<std::string> whole_text(const GuestScript& script) {
  std::string text = "#!/bin/sh\n";
  for (const auto& [name, value] : script.environment) {
    if (!is_variable_name(name)) {
      return error(ErrorCode::invalid_argument,
                   "'{}' is no name of an environment variable: letters, digits and _ make one", name);
    }
    text += fmt::format("export {}={}\n", name, quoted(value));
  }
  return text + script.script;
}

json send_command(const GuestScript& script, const std::string& text) {
  const seconds patience = std::clamp(script.patience, shortest_patience, longest_patience);
  return {{"DocumentName", shell_document},
          {"InstanceIds", json::array({script.instance.str()})},
          {"Comment", script.token},
          {"TimeoutSeconds", delivery_time.count()},
          {"Parameters",
           {{"commands", json::array({text})},
            {"executionTimeout", json::array({std::to_string(patience.count())})}}}};
}

json list_of(const json& answer, const char* name) {
  const auto at = answer.find(name);
  return at != answer.end() && at->is_array() ? *at : json::array();
}

bool says_no_such_script(const AwsFault& fault) {
  return fault.code == "InvocationDoesNotExist" || fault.code == "InvalidCommandId";
}

bool is_on_its_way(std::string_view status) {
  constexpr std::array<std::string_view, 4> not_ended = {"Pending", "InProgress", "Delayed", "Cancelling"};
  return std::find(not_ended.begin(), not_ended.end(), status) != not_ended.end();
}

// "Failed" is also the status of what was never delivered; the details tell it apart.
bool ended_by_itself(std::string_view status, std::string_view details) {
  return status == "Success" || (status == "Failed" && details == "Failed");
}

// Without what the agent adds to what a script that failed has said itself.
std::string said_by_script(const json& invocation) {
  constexpr std::string_view of_agent = "failed to run commands: exit status ";
  std::string errors = text_of(invocation, "StandardErrorContent");
  const std::size_t at = errors.rfind(of_agent);
  const bool is_last = at != std::string::npos && (at == 0 || errors[at - 1] == '\n') &&
                       errors.find_first_not_of("0123456789 \n", at + of_agent.size()) == std::string::npos;
  if (is_last) errors.resize(at);
  return text_of(invocation, "StandardOutputContent") + errors;
}

Result<GuestScriptState> state_of(const json& invocation) {
  const std::string status = text_of(invocation, "Status");
  if (status.empty()) return error(ErrorCode::internal, "AWS answered without the Status");
  GuestScriptState state;
  state.detail = text_of(invocation, "StatusDetails");
  if (state.detail.empty()) state.detail = status;
  state.ended = !is_on_its_way(status);
  const auto code = invocation.find("ResponseCode");
  if (ended_by_itself(status, state.detail) && code != invocation.end() && code->is_number_integer())
    state.exit_status = code->get<int>();
  state.output = said_by_script(invocation);
  return state;
}

std::string said_by(const AwsFault& fault) {
  return fault.message.empty() ? fault.code : fmt::format("{}: {}", fault.code, fault.message);
}

Error not_known_whether_started(const InstanceId& instance, std::string_view why) {
  return error(ErrorCode::unavailable, "whether a script was started in {} is not known: {}", instance, why);
}

}  // namespace

Result<std::variant<json, AwsFault>> AwsGuestScripts::ask(const std::string& action, const json& body) {
  return ssm_->send(action, body, briefly);
}

Error AwsGuestScripts::explain(const AwsFault& fault, const std::string& action,
                               const InstanceId& instance) const {
  if (fault.code == "InvalidInstanceId") {
    return error(ErrorCode::failed_precondition,
                 "the SSM agent of {} takes no scripts: is it installed in the guest, and running; has the "
                 "instance a role with AmazonSSMManagedInstanceCore (instance_profile in the DR plan); does "
                 "its subnet reach Systems Manager, through a NAT or the VPC endpoints ssm, ssmmessages and "
                 "ec2messages? ({})",
                 instance, said_by(fault));
  }
  if (fault.code == "UnsupportedPlatformType") {
    return error(ErrorCode::failed_precondition,
                 "the system of {} runs no scripts of /bin/sh, only Linux does: run this one elsewhere ({})",
                 instance, said_by(fault));
  }
  return ssm_->service().error_of(fault, action);
}

// Whether what AWS denies may be there all the same.
bool AwsGuestScripts::may_come(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.ticks();
  const auto since = denied_since_.try_emplace(id, now).first->second;
  return now - since < settling_time_;
}

void AwsGuestScripts::came(const std::string& id) {
  const std::lock_guard lock(mutex_);
  denied_since_.erase(id);
}

// The instance plays no part: who may not ask about all may not ask about one.
Result<> AwsGuestScripts::check_access() {
  const std::pair<std::string, json> calls[] = {{"DescribeInstanceInformation", {{"MaxResults", 5}}},
                                                {"ListCommands", {{"MaxResults", 1}}}};
  for (const auto& [action, body] : calls) {
    const auto outcome = TRY(ssm_->send(action, body));
    if (const auto* fault = std::get_if<AwsFault>(&outcome)) return ssm_->service().error_of(*fault, action);
  }
  return {};
}

// AWS lists the agents that have ever called. Some servers refuse the id of one that has not.
Result<bool> AwsGuestScripts::takes_scripts(const InstanceId& instance) {
  const std::string action = "DescribeInstanceInformation";
  const json filter = {{"Key", "InstanceIds"}, {"Values", json::array({instance.str()})}};
  const auto outcome =
      TRY(ask(action, {{"Filters", json::array({filter})}}), "the SSM agent of {}", instance);
  if (const auto* fault = std::get_if<AwsFault>(&outcome)) {
    if (fault->code == "InvalidInstanceId") return false;
    return explain(*fault, action, instance);
  }
  for (const json& agent : list_of(std::get<json>(outcome), "InstanceInformationList")) {
    if (text_of(agent, "InstanceId") == instance.str()) return text_of(agent, "PingStatus") == "Online";
  }
  return false;
}

Result<std::string> AwsGuestScripts::start_script(const GuestScript& script) {
  const std::string action = "SendCommand";
  const std::string text = TRY(whole_text(script), "starting a script in {}", script.instance);
  const auto outcome = ssm_->send(action, send_command(script, text), once);
  if (!outcome.ok()) {
    const Error& why = outcome.error();
    // Internal: it was answered, in words that mean nothing.
    if (why.transient() || why.code() == ErrorCode::internal)
      return not_known_whether_started(script.instance, why.message());
    return why;
  }
  if (const auto* fault = std::get_if<AwsFault>(&*outcome)) {
    if (classify(*fault) == FaultClass::broken)
      return not_known_whether_started(script.instance, fmt::format("{}: {}", action, said_by(*fault)));
    return explain(*fault, action, script.instance);
  }
  const json& answer = std::get<json>(*outcome);
  const auto command = answer.find("Command");
  std::string id = command == answer.end() ? "" : text_of(*command, "CommandId");
  if (id.empty()) return not_known_whether_started(script.instance, "AWS answered without a CommandId");
  return id;
}

// Newest first, as AWS lists them. Where no agent has called yet, there is none.
Result<std::optional<std::string>> AwsGuestScripts::find_script(const InstanceId& instance,
                                                                const std::string& token) {
  const std::string action = "ListCommands";
  json request = {{"InstanceId", instance.str()}, {"MaxResults", 50}};
  for (;;) {
    const auto outcome = TRY(ask(action, request), "looking for a script in {}", instance);
    if (const auto* fault = std::get_if<AwsFault>(&outcome)) {
      if (fault->code == "InvalidInstanceId") return std::optional<std::string>();
      return explain(*fault, action, instance);
    }
    const json& page = std::get<json>(outcome);
    for (const json& command : list_of(page, "Commands")) {
      if (text_of(command, "Comment") == token) return std::optional(text_of(command, "CommandId"));
    }
    const std::string next = text_of(page, "NextToken");
    if (next.empty()) return std::optional<std::string>();
    if (next == text_of(request, "NextToken"))
      return error(ErrorCode::internal, "{}: AWS answers the same page token again and again", action);
    request["NextToken"] = next;
  }
}

Result<GuestScriptState> AwsGuestScripts::script_state(const InstanceId& instance, const std::string& id) {
  const std::string action = "GetCommandInvocation";
  const auto outcome =
      TRY(ask(action, {{"CommandId", id}, {"InstanceId", instance.str()}}), "script {} in {}", id, instance);
  if (const auto* fault = std::get_if<AwsFault>(&outcome)) {
    if (!says_no_such_script(*fault)) return explain(*fault, action, instance);
    if (!may_come(id)) return error(ErrorCode::not_found, "AWS knows of no script {} in {}", id, instance);
    GuestScriptState not_there_yet;
    not_there_yet.detail = "Pending";
    return not_there_yet;
  }
  came(id);
  return TRY(state_of(std::get<json>(outcome)), "script {} in {}", id, instance);
}

Result<> AwsGuestScripts::cancel_script(const InstanceId& instance, const std::string& id) {
  const std::string action = "CancelCommand";
  const auto outcome = TRY(ask(action, {{"CommandId", id}, {"InstanceIds", json::array({instance.str()})}}),
                           "ending script {} in {}", id, instance);
  const auto* fault = std::get_if<AwsFault>(&outcome);
  if (fault == nullptr || says_no_such_script(*fault)) return {};
  return explain(*fault, action, instance);
}

}  // namespace rekindle
