// Run Command of AWS Systems Manager, API 2014-11-06
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html and its neighbours;
// https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html for what a status
// means): scripts for the agents of instances (guest_agents.h), which run them.
//
//   Pending -> InProgress -> Success, Failed, TimedOut (ExecutionTimedOut)       as the agent reports
//                         -> Cancelling -> Cancelled, or one of those            CancelCommand, and the agent
//   Pending -> Cancelled                                                         CancelCommand
//   Pending -> Failed (Undeliverable)                                            its instance is terminated
//   any of these -> TimedOut (DeliveryTimedOut)     TimeoutSeconds and executionTimeout have passed
//
// What is Pending after TimeoutSeconds is not begun any more. The one document is AWS-RunShellScript; no
// targets but InstanceIds, no output to S3, and each invocation counts (MaxErrors is 0).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sandbox/region/cloud.h"
#include "sandbox/region/outcome.h"

namespace rekindle::sandbox {

constexpr std::string_view shell_document = "AWS-RunShellScript";
// Bytes of an invocation's output that are kept.
constexpr std::size_t kept_output_bytes = 24000, kept_error_bytes = 8000;

// SendCommand, CancelCommand, ListCommands, GetCommandInvocation and DescribeInstanceInformation.
bool is_run_command(std::string_view action);
// The members of its answer. Takes the cloud's mutex; what was done is durable. Refusals are AWS's:
// InvalidInstanceId, InvalidDocument, InvalidParameters, InvocationDoesNotExist, ValidationException, ...
Outcome<nlohmann::json> run_command(Cloud& cloud, std::string_view action, const nlohmann::json& body);

// Whoever calls the rest holds the cloud's mutex.

std::string invocation_id(const std::string& command_id, const std::string& instance_id);
// Whether its status is final.
bool has_ended(const Invocation& invocation);
// Whether an agent may begin it now.
bool may_begin(Cloud& cloud, const Invocation& invocation);
// The instance is running, and its agent was heard of lately (the knob agent_lost_ms). An agent has the time
// to come back after the server was started.
bool is_online(Cloud& cloud, const ManagedNode& node);

// What tells (run_command_views.cc).
nlohmann::json command_json(Cloud& cloud, const Command& command);
Outcome<nlohmann::json> list_commands(Cloud& cloud, const nlohmann::json& body);
Outcome<nlohmann::json> get_command_invocation(Cloud& cloud, const nlohmann::json& body);
Outcome<nlohmann::json> describe_instance_information(Cloud& cloud, const nlohmann::json& body);

}  // namespace rekindle::sandbox
