#include "cli/replicate_verify.h"

#include <algorithm>
#include <thread>

#include "base/bytes.h"
#include "cli/progress_line.h"
#include "model/json.h"
#include "protect/copy_verification.h"

namespace rekindle {

namespace {

struct VerifyInput {
  std::string plan;
  std::vector<std::string> machines;
  bool all = false;
};

// Draws a few times a second while blocks are compared.
class VerifyLine {
 public:
  VerifyLine(Session& session, Clock& clock, const std::string& machine)
      : line_(clock, session.output.json), thread_([this](std::stop_token end) {
          SystemClock wall_clock;
          while (wall_clock.sleep(std::chrono::milliseconds(200), end)) line_.tick(progress_);
        }) {
    line_.start("replicate verify " + machine, "reading back and comparing");
  }
  VerifyLine(const VerifyLine&) = delete;
  VerifyLine& operator=(const VerifyLine&) = delete;
  ~VerifyLine() {
    thread_.request_stop();
    thread_.join();
    line_.finish();
  }
  Progress& progress() { return progress_; }

 private:
  Progress progress_;
  ProgressLine line_;
  std::jthread thread_;
};

Result<std::vector<std::string>> machines_to_verify(const DrPlan& plan,
                                                    const std::vector<std::string>& asked) {
  std::vector<std::string> all;
  for (const PlanMachine& machine : plan.machines) all.push_back(machine.machine);
  for (const std::string& machine : asked) {
    if (std::ranges::find(all, machine) == all.end()) {
      return error(ErrorCode::not_found, "the plan {} has no machine '{}'; it has: {}", plan.name, machine,
                   fmt::join(all, ", "));
    }
  }
  return asked.empty() ? all : asked;
}

nlohmann::json shown(const CopyVerification& verified) {
  nlohmann::json disks = nlohmann::json::array();
  for (const DiskVerification& disk : verified.disks) {
    disks.push_back({{"disk_id", disk.disk_id},
                     {"image_id", disk.image_id},
                     {"blocks_compared", disk.blocks_compared},
                     {"differing", disk.differing}});
  }
  const DrCopy& copy = verified.copy;
  return {{"dr_copy_id", copy.id},
          {"recovery_point_id", copy.recovery_point_id},
          {"recovery_point_time", to_iso8601(copy.recovery_point_time)},
          {"blocks_compared", verified.blocks_compared()},
          {"blocks_differing", verified.blocks_differing()},
          {"disks", std::move(disks)}};
}

// Fills in what came of it; the error is that of a copy that differs, or could not be verified.
Result<> verify_machine(Session& session, Workplace& workplace, const CopyToVerify& wanted,
                        nlohmann::json& record) {
  Catalog* catalog = TRY(workplace.catalog());
  const VerificationPlace place{*catalog, workplace.sites(), workplace.vaults(), workplace.random(),
                                workplace.clock()};
  const auto verified = [&] {
    VerifyLine line(session, workplace.clock(), wanted.machine);
    return verify_current_copy(place, wanted, line.progress(), session.interrupted);
  }();
  if (!verified.ok()) return verified.error();
  record.update(shown(*verified));
  TRY(outcome(*verified));
  session.output.say(fmt::format("{}: its DR copy holds what recovery point {} of {} says: {} compared, {}.",
                                 wanted.machine, verified->copy.recovery_point_id,
                                 to_iso8601(verified->copy.recovery_point_time),
                                 human_bytes(verified->blocks_compared() * image_block_bytes),
                                 wanted.all ? "all that holds data" : "a sample"));
  return {};
}

// All are tried; the first error is returned, the others are said.
Result<> verify(Session& session, Workplace& workplace, const VerifyInput& input) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto plan = TRY(catalog->get<DrPlan>(input.plan));
  const auto machines = TRY(machines_to_verify(plan, input.machines));
  std::vector<nlohmann::json> records;
  Result<> first;
  for (const std::string& machine : machines) {
    nlohmann::json record = {{"machine", machine}, {"plan", plan.name}, {"all", input.all}};
    const Result<> verified = verify_machine(session, workplace, {plan.name, machine, input.all}, record);
    if (!verified.ok()) {
      const Error& why = verified.error();
      record["error"] = {{"code", std::string(to_string(why.code()))}, {"message", why.message()}};
      if (!first.ok()) session.output.say(why.message());
    }
    records.push_back(std::move(record));
    if (first.ok()) first = verified;
    if (session.interrupted.stop_requested()) break;
  }
  if (session.output.json) session.output.records(records, {});
  return first;
}

}  // namespace

void add_replicate_verify(CLI::App& noun, Session& session) {
  auto input = std::make_shared<VerifyInput>();
  CLI::App* verb = add_verb(
      noun, "verify",
      "Read a plan's current DR copies back and compare them with their recovery points and with what "
      "was recorded of converted blocks; notes which disks are damaged, and the next replication makes them "
      "anew",
      session, [&session, input](Workplace& workplace) { return verify(session, workplace, *input); });
  verb->add_option("plan", input->plan, "Its name")->required();
  verb->add_option("--machine", input->machines, "Only this machine; may be given many times");
  verb->add_flag("--all", input->all,
                 "Every block that holds data, in the copy or the recovery point; else a random sample");
}

}  // namespace rekindle
