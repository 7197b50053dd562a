#include "sandbox/region/guest_agents.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/log.h"
#include "net/url.h"
#include "sandbox/region/access_requests.h"
#include "sandbox/region/run_command.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

constexpr std::size_t longest_name = 100, longest_line = 256;
constexpr std::int64_t killed_code = 137;  // 128 + SIGKILL, as AWS's agent reports what it killed

HttpResponse plain(int status, std::string_view text = "") {
  return HttpResponse::text(status, "text/plain", text);
}

std::string clean_name(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, longest_name)) clean += c >= ' ' && c <= '~' ? c : '?';
  return clean;
}

// Of what a guest says of itself, a line "name=value" each.
std::string told(std::string_view body, std::string_view name) {
  while (!body.empty()) {
    const auto end = std::min(body.find('\n'), body.size());
    const std::string_view line = body.substr(0, std::min(end, longest_line));
    if (line.starts_with(name) && line.substr(name.size()).starts_with('='))
      return clean_name(line.substr(name.size() + 1));
    body.remove_prefix(std::min(end + 1, body.size()));
  }
  return "";
}

// How many bytes at the end are a character that lacks some.
std::size_t half_character(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const unsigned char lead = byte(text.size() - back);
    if ((lead & 0xc0) == 0x80) continue;  // it goes on with one
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

// No more than `limit` bytes, and no half character where it was cut; what is no UTF-8 becomes U+FFFD.
std::string_view cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  text = text.substr(0, limit);
  text.remove_suffix(half_character(text));
  return text;
}

// What takes the place of bytes that are no text is longer than they.
std::string kept_text(std::string_view text, std::size_t limit) {
  const json raw = std::string(cut(text, limit));
  const std::string quoted = raw.dump(-1, ' ', false, json::error_handler_t::replace);
  return std::string(cut(json::parse(quoted).get_ref<const std::string&>(), limit));
}

// What an agent says of a command, in the query.
struct Word {
  std::string command, agent;
  std::optional<std::int64_t> code, output;
};

std::optional<std::int64_t> number_of(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Word word_of(const HttpRequest& request) {
  Word word;
  for (const auto& [name, value] : parse_query(request.query, false)) {
    if (name == "command") word.command = value;
    if (name == "agent") word.agent = clean_name(value);
    if (name == "code") word.code = number_of(value);
    if (name == "output") word.output = number_of(value);
  }
  return word;
}

class Answer {
 public:
  Answer(Cloud& cloud, std::string instance_id, const HttpRequest& request)
      : cloud_(cloud), instance_id_(std::move(instance_id)), request_(request), word_(word_of(request)) {}

  HttpResponse to(std::string_view what) {
    if (what == "poll") return poll();
    if (what != "start" && what != "running" && what != "end") return plain(400);
    if (word_.agent.empty()) return plain(400);
    const auto invocation = cloud_.state().find<Invocation>(invocation_id(word_.command, instance_id_));
    if (!invocation) return plain(404);
    note_ping();
    if (what == "start") return start(*invocation);
    return what == "running" ? running(*invocation) : end(*invocation);
  }

 private:
  void note_ping() {
    auto node = cloud_.state().find<ManagedNode>(instance_id_);
    if (!node) return;
    node->last_ping_ms = cloud_.now_ms();
    cloud_.state().put(*node);
  }

  HttpResponse poll() {
    register_node();
    const Invocation* next = nullptr;
    for (const auto& [id, one] : cloud_.state().all<Invocation>()) {
      if (one.instance_id != instance_id_ || !may_begin(cloud_, one)) continue;
      if (next == nullptr || one.number < next->number) next = &one;
    }
    return plain(200, next == nullptr ? "idle\n" : order_of(*next));
  }

  void register_node() {
    ManagedNode node = cloud_.state().find<ManagedNode>(instance_id_).value_or(cloud_.make<ManagedNode>());
    node.id = instance_id_;
    node.last_ping_ms = cloud_.now_ms();
    const std::string_view body = request_.body_text();
    node.agent_version = told(body, "agent_version");
    node.platform_name = told(body, "platform_name");
    node.platform_version = told(body, "platform_version");
    node.computer_name = told(body, "computer_name");
    cloud_.state().put(node);
  }

  std::string order_of(const Invocation& invocation) {
    const Command command = cloud_.state().find<Command>(invocation.command_id).value();
    const auto folder = command.parameters.find("workingDirectory");
    return fmt::format("run {} {}\n{}\n{}\n", command.id, command.execution_seconds,
                       folder == command.parameters.end() ? "" : folder->second.front(),
                       fmt::join(command.parameters.at("commands"), "\n"));
  }

  HttpResponse start(Invocation invocation) {
    const bool is_begun = invocation.state == "InProgress" || invocation.state == "Cancelling";
    if (is_begun) return plain(invocation.agent == word_.agent ? 200 : 409);
    if (!may_begin(cloud_, invocation)) return plain(409);
    invocation.state = invocation.detail = "InProgress";
    invocation.agent = word_.agent;
    invocation.started_ms = cloud_.now_ms();
    cloud_.state().put(invocation);
    return plain(200);
  }

  HttpResponse running(const Invocation& invocation) {
    const bool goes_on = invocation.state == "InProgress" && invocation.agent == word_.agent;
    return plain(200, goes_on ? "go on\n" : "stop\n");
  }

  HttpResponse end(Invocation invocation) {
    const std::string_view body = request_.body_text();
    if (!word_.code || !word_.output || *word_.output < 0 || *word_.code < -1 || *word_.code > 255 ||
        static_cast<std::size_t>(*word_.output) > body.size())
      return plain(400);
    if (invocation.agent != word_.agent) return plain(409);
    if (has_ended(invocation)) return plain(200);
    const auto output_bytes = static_cast<std::size_t>(*word_.output);
    invocation.output = kept_text(body.substr(0, output_bytes), kept_output_bytes);
    invocation.errors = kept_text(body.substr(output_bytes), kept_error_bytes);
    invocation.response_code = *word_.code;
    invocation.ended_ms = cloud_.now_ms();
    settle(invocation);
    cloud_.state().put(invocation);
    return plain(200);
  }

  void settle(Invocation& invocation) const {
    const bool was_cancelled = invocation.state == "Cancelling";
    if (*word_.code == 0) {
      invocation.state = invocation.detail = "Success";
    } else if (*word_.code != killed_code) {
      invocation.state = invocation.detail = "Failed";
    } else if (was_cancelled) {
      invocation.state = invocation.detail = "Cancelled";
    } else {
      invocation.state = "TimedOut";
      invocation.detail = "ExecutionTimedOut";
    }
  }

  Cloud& cloud_;
  const std::string instance_id_;
  const HttpRequest& request_;
  const Word word_;
};

}  // namespace

bool may_have_agent(Cloud& cloud, const Roles& roles, const Instance& instance) {
  if (instance.iam_profile.empty() || instance.metadata_options.endpoint != "enabled") return false;
  const std::string name = instance.iam_profile.substr(instance.iam_profile.rfind('/') + 1);
  const auto profile = cloud.account().find_profile(name);
  // A profile that the region was not told of is as the console makes them: its role has its name.
  const std::string role_name = profile ? profile->role : name;
  if (role_name.empty()) return false;
  const auto role = roles.find(role_name);
  if (!role) return true;
  const std::string action = "ssm:UpdateInstanceInformation";
  if (!role->policy) {
    const auto& actions = role->actions;
    return actions.empty() || std::find(actions.begin(), actions.end(), action) != actions.end();
  }
  AccessRequest asked{action, ec2_arn(cloud.options(), "instance", instance.id)};
  asked.context["aws:RequestedRegion"] = {cloud.options().name};
  return role->policy->judge(asked) == IamPolicyDocument::Answer::allowed;
}

HttpResponse answer_agent(Cloud& cloud, const Roles& roles, const std::string& instance_id,
                          const HttpRequest& request) {
  if (request.method != "POST") return plain(405);
  const std::lock_guard lock(cloud.mutex());
  const auto instance = cloud.state().find<Instance>(instance_id);
  if (!instance || instance->state == "terminated") return plain(404);
  if (!may_have_agent(cloud, roles, *instance)) return plain(403);
  HttpResponse answer =
      Answer(cloud, instance_id, request).to(std::string_view(request.path).substr(agents_prefix.size()));
  if (auto kept = cloud.state().commit(); !kept.ok()) {
    log::error("the agent of {} is not served: {}", instance_id, kept.error().message());
    return plain(500);
  }
  return answer;
}

}  // namespace rekindle::sandbox
