#include "aws/json_client.h"

#include <algorithm>

namespace rekindle {

using nlohmann::json;

namespace {

Result<std::string> written(const json& body) {
  try {
    return body.dump();
  } catch (const json::exception& refused) {
    return error(ErrorCode::invalid_argument, "what was to be sent is not text in UTF-8: {}", refused.what());
  }
}

}  // namespace

Result<std::variant<json, AwsFault>> JsonClient::send(const std::string& action, const json& body,
                                                      const JsonOptions& options) {
  using Outcome = std::variant<json, AwsFault>;
  const std::string content = TRY(written(body), "{}", action);
  ServiceCall call;
  call.action = action;
  call.request.method = "POST";
  call.request.headers.add("Content-Type", "application/x-amz-json-1.1");
  call.request.headers.add("X-Amz-Target", target_ + "." + action);
  call.request.body = to_bytes(as_bytes(content));
  call.request.connect_timeout = std::min(call.request.connect_timeout, options.timeout);
  call.request.timeout = options.timeout;
  call.attempts = options.attempts;
  call.repeatable = options.repeatable;
  ServiceReply reply = TRY(service_->send(std::move(call)), "{}", action);
  if (reply.fault) return Outcome(*std::move(reply.fault));
  json answer = json::parse(reply.response.body_text(), nullptr, false);
  if (!answer.is_object()) return error(ErrorCode::internal, "{}: the answer is not a JSON object", action);
  return Outcome(std::move(answer));
}

std::string text_of(const json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace rekindle
