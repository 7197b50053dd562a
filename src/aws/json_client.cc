#include "aws/json_client.h"

namespace rekindle {

using nlohmann::json;

Result<std::variant<json, AwsFault>> JsonClient::send(const std::string& action, const json& body) {
  using Outcome = std::variant<json, AwsFault>;
  ServiceCall call;
  call.action = action;
  call.request.method = "POST";
  call.request.headers.add("Content-Type", "application/x-amz-json-1.1");
  call.request.headers.add("X-Amz-Target", target_ + "." + action);
  call.request.body = to_bytes(as_bytes(body.dump()));
  call.request.connect_timeout = advice_timeout;
  call.request.timeout = advice_timeout;
  call.attempts = advice_attempts;
  ServiceReply reply = TRY(service_->send(std::move(call)), "{}", action);
  if (reply.fault) return Outcome(*std::move(reply.fault));
  json answer = json::parse(reply.response.body_text(), nullptr, false);
  if (!answer.is_object()) return error(ErrorCode::internal, "{}: the answer is not a JSON object", action);
  return Outcome(std::move(answer));
}

}  // namespace rekindle
