#include "cli/findings.h"

namespace rekindle {

namespace {

nlohmann::json record_of(const Preflight& preflight) {
  nlohmann::json findings = nlohmann::json::array();
  for (const Finding& finding : preflight.findings) {
    findings.push_back({{"light", std::string(to_string(finding.light))},
                        {"machine", finding.machine},
                        {"topic", finding.topic},
                        {"sentence", finding.sentence}});
  }
  nlohmann::json record = {{"light", std::string(to_string(preflight.light))}, {"findings", findings}};
  if (preflight.forecast)
    record["forecast_seconds"] = static_cast<double>(preflight.forecast->count()) / 1000;
  return record;
}

}  // namespace

void print_findings(Session& session, const Preflight& preflight) {
  const nlohmann::json record = record_of(preflight);
  if (session.output.json) {
    session.output.record(record);
  } else {
    session.output.records(record.at("findings").get<std::vector<nlohmann::json>>(),
                           {{"light", ""}, {"machine", "MACHINE"}, {"topic", "WHAT"}, {"sentence", ""}});
  }
}

}  // namespace rekindle
