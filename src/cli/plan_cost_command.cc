// plan cost: what keeping a plan ready costs, and what a failover would.
#include "base/file.h"
#include "cli/commands.h"
#include "cli/yaml.h"
#include "recover/cost_inputs.h"

namespace rekindle {

namespace {

struct CostCommandInput {
  std::string plan;
  std::string prices_file;
  double hours_per_month = 730;
};

Result<Prices> prices_of(Workplace& workplace, const CostCommandInput& input) {
  Prices prices = workplace.list_prices();
  if (input.prices_file.empty()) return prices;
  prices.source = fmt::format("{}; over it {}", prices.source, input.prices_file);
  const std::string text = TRY(read_text_file(input.prices_file));
  const nlohmann::json given = TRY(parse_yaml(text), "{}", input.prices_file);
  return TRY(changed_prices(std::move(prices), given), "{}", input.prices_file);
}

nlohmann::json record_of(const CostLine& line) {
  return {{"of", line.of == CostOf::month ? "month" : "failover_hour"},
          {"machine", line.machine},
          {"what", line.what},
          {"quantity", line.quantity},
          {"unit", line.unit},
          {"price", line.price},
          {"amount", line.amount()}};
}

nlohmann::json record_of(const CostEstimate& estimate, const Prices& prices, const CostCommandInput& input) {
  nlohmann::json lines = nlohmann::json::array();
  for (const CostLine& line : estimate.lines) lines.push_back(record_of(line));
  const double an_hour = estimate.sum(CostOf::failover_hour);
  return {{"plan", input.plan},
          {"estimate", true},
          {"currency", prices.currency},
          {"prices", prices.source},
          {"prices_region", prices.region},
          {"hours_per_month", input.hours_per_month},
          {"month", estimate.sum(CostOf::month)},
          {"failover_hour", an_hour},
          {"failover_day", an_hour * 24},
          {"lines", lines},
          {"left_out", estimate.left_out}};
}

void say_lines(const Output& output, const CostEstimate& estimate, CostOf of, const char* amount_title) {
  std::vector<nlohmann::json> rows;
  for (const CostLine& line : estimate.lines) {
    if (line.of != of) continue;
    rows.push_back({{"machine", line.machine},
                    {"what", line.what},
                    {"quantity", fmt::format("{:.6g} {}", line.quantity, line.unit)},
                    {"price", fmt::format("{:.4g}", line.price)},
                    {"amount", fmt::format("{:.4f}", line.amount())}});
  }
  output.records(rows, {{"machine", "MACHINE"},
                        {"what", "WHAT"},
                        {"quantity", "QUANTITY"},
                        {"price", "PRICE OF ONE"},
                        {"amount", amount_title}});
}

void say(const Output& output, const CostEstimate& estimate, const Prices& prices,
         const CostCommandInput& input) {
  output.say(
      fmt::format("An estimate in {} from list prices ({}); no bill.\n", prices.currency, prices.source));
  say_lines(output, estimate, CostOf::month, "A MONTH");
  output.say("");
  say_lines(output, estimate, CostOf::failover_hour, "AN HOUR OF A FAILOVER");
  const double an_hour = estimate.sum(CostOf::failover_hour);
  output.say(
      fmt::format("\nKeeping {} ready: {:.2f} {} a month of {:g} hours. A failover: {:.2f} an hour, {:.2f} a "
                  "day, beside that.",
                  input.plan, estimate.sum(CostOf::month), prices.currency, input.hours_per_month, an_hour,
                  an_hour * 24));
  output.say(
      "Not in it: taxes, discounts, data transfer, licenses, public addresses, the vault, the blocks that "
      "failing "
      "back reads.");
  for (const std::string& sentence : estimate.left_out) output.say("Not in it either: " + sentence + ".");
}

Result<> cost(Session& session, Workplace& workplace, const CostCommandInput& input) {
  const Prices prices = TRY(prices_of(workplace, input));
  Catalog* catalog = TRY(workplace.catalog());
  const auto plan = TRY(catalog->get<DrPlan>(input.plan));
  const CostInputs inputs = TRY(cost_inputs(*catalog, workplace.sites(), input.plan, input.hours_per_month));
  const CostEstimate estimate = estimate_cost(inputs, prices, input.hours_per_month);
  if (session.output.json) {
    session.output.record(record_of(estimate, prices, input));
    return {};
  }
  say(session.output, estimate, prices, input);
  const auto account = catalog->get<Account>(plan.account);
  if (account.ok() && account->region != prices.region) {
    session.output.say(
        fmt::format("These are prices of {}; the account is in {}: give its own with --prices.",
                    prices.region, account->region));
  }
  return {};
}

}  // namespace

void add_plan_cost(CLI::App& noun, Session& session) {
  auto input = std::make_shared<CostCommandInput>();
  CLI::App* verb =
      add_verb(noun, "cost", "What keeping the plan ready costs a month, and a failover an hour: an estimate",
               session, [&session, input](Workplace& workplace) { return cost(session, workplace, *input); });
  verb->add_option("plan", input->plan, "The DR plan")->required();
  verb->add_option("--prices", input->prices_file,
                   "A YAML or JSON file with other prices than those built in; see docs/plans.md");
  verb->add_option("--hours-per-month", input->hours_per_month, "What a month is")
      ->check(CLI::Range(1.0, 1000.0))
      ->capture_default_str();
}

}  // namespace rekindle
