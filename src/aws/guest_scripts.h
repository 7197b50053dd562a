// Scripts inside instances by Run Command of AWS Systems Manager: the SSM agent in the guest asks for them,
// so that no port of the guest is open for it.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html and its neighbours.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>

#include "aws/json_client.h"
#include "base/clock.h"
#include "site/guest_scripts.h"

namespace rekindle {

inline constexpr const char* ssm_target = "AmazonSSM";

// Beside the contract of GuestScripts:
// - SendCommand has no client token, and the token stands in the command's comment. It is sent once: when its
//   answer is lost, whether the script was started is not known (`unavailable`).
// - Of the output AWS keeps the first 24000 characters of standard output and 8000 of standard error.
// - AWS replaces "{{ssm:NAME}}" in a script by that parameter of its Parameter Store; in values of the
//   environment it replaces nothing.
// - AWS denies a script that it has just taken. One that it denies has not ended ("Pending") until it has
//   been denied here for `settling_time`, and is `not_found` from then on: a process that was started anew
//   meanwhile waits as one that was not.
class AwsGuestScripts final : public GuestScripts {
 public:
  // `ssm` is of service "ssm", with ssm_target; `clock` outlives this.
  AwsGuestScripts(std::unique_ptr<JsonClient> ssm, Clock& clock, std::chrono::milliseconds settling_time)
      : ssm_(std::move(ssm)), clock_(clock), settling_time_(settling_time) {}

  // Asks for agents and for commands; sending one cannot be tried. A few short attempts: it is advice.
  Result<> check_access() override;
  Result<bool> takes_scripts(const InstanceId& instance) override;
  Result<std::string> start_script(const GuestScript& script) override;
  Result<std::optional<std::string>> find_script(const InstanceId& instance,
                                                 const std::string& token) override;
  Result<GuestScriptState> script_state(const InstanceId& instance, const std::string& id) override;
  Result<> cancel_script(const InstanceId& instance, const std::string& id) override;

 private:
  Result<std::variant<nlohmann::json, AwsFault>> ask(const std::string& action, const nlohmann::json& body);
  Error explain(const AwsFault& fault, const std::string& action, const InstanceId& instance) const;
  bool may_come(const std::string& id);
  void came(const std::string& id);

  const std::unique_ptr<JsonClient> ssm_;
  Clock& clock_;
  const std::chrono::milliseconds settling_time_;
  std::mutex mutex_;
  std::map<std::string, std::chrono::nanoseconds> denied_since_;  // by id
};

}  // namespace rekindle
