#include "recover/cost.h"

#include <algorithm>

#include "base/bytes.h"

namespace rekindle {

namespace {

std::uint64_t whole_gib(std::uint64_t bytes) {
  return (bytes + gib - 1) / gib;
}

class Estimator {
 public:
  Estimator(const CostInputs& inputs, const Prices& prices, double hours_per_month)
      : inputs_(inputs), prices_(prices), hours_per_month_(hours_per_month) {
    estimate_.left_out = inputs.left_out;
  }

  CostEstimate run() {
    for (const CostMachine& machine : inputs_.machines) {
      add_images(machine);
      add_replications(machine);
    }
    if (inputs_.write == ImageWriting::volume) add_proxy();
    for (const CostMachine& machine : inputs_.machines) {
      add_instance(machine);
      add_volumes(machine);
    }
    return std::move(estimate_);
  }

 private:
  void add(CostLine line) {
    if (line.quantity > 0) estimate_.lines.push_back(std::move(line));
  }
  void leave_out(std::string sentence) { estimate_.left_out.push_back(std::move(sentence)); }

  std::optional<double> instance_price(const std::string& type, const std::string& whose) {
    const auto known = prices_.instance_hour.find(type);
    if (known != prices_.instance_hour.end()) return known->second;
    leave_out(fmt::format("{}: the prices do not have the instance type {}", whose, type));
    return std::nullopt;
  }

  void add_images(const CostMachine& machine) {
    const double held = static_cast<double>(machine.image_bytes) / static_cast<double>(gib);
    add({CostOf::month, machine.machine, "images", held, "GiB", prices_.image_gib_month});
  }

  void add_replications(const CostMachine& machine) {
    const std::string& name = machine.machine;
    if (machine.replications <= 0) {
      leave_out(name + ": nothing says how often its DR copy is updated, so what that costs");
      return;
    }
    if (!machine.blocks_put) {
      leave_out(name + ": its DR copy was never updated, so what that costs");
      return;
    }
    const double thousands = machine.replications / 1000;
    if (inputs_.write == ImageWriting::direct)
      add({CostOf::month, name, "blocks written", *machine.blocks_put * thousands, "thousand",
           prices_.image_put_1000});
    add({CostOf::month, name, "blocks read back", machine.blocks_read.value_or(0) * thousands, "thousand",
         prices_.image_get_1000});
  }

  void add_proxy() {
    const std::string& type = prices_.proxy_instance_type;
    const auto price = instance_price(type, "the proxy");
    if (price) add({CostOf::month, "", "proxy " + type, hours_per_month_, "hours", *price});
  }

  void add_instance(const CostMachine& machine) {
    if (machine.instance_type.empty()) return;  // said by who looked for it
    const auto price = instance_price(machine.instance_type, machine.machine);
    if (price)
      add({CostOf::failover_hour, machine.machine, "instance " + machine.instance_type, 1, "instance",
           *price});
  }

  void add_volumes(const CostMachine& machine) {
    const std::string type = machine.volumes.type.empty() ? prices_.volume_type : machine.volumes.type;
    const auto known = prices_.volumes.find(type);
    if (known == prices_.volumes.end()) {
      leave_out(fmt::format("{}: the prices do not have the volume type {}", machine.machine, type));
      return;
    }
    const VolumePrice& price = known->second;
    std::uint64_t size_gib = 0;
    for (const std::uint64_t bytes : machine.disk_bytes) size_gib += whole_gib(bytes);
    const auto an_hour = [&](const std::string& what, double quantity, const char* unit, double a_month) {
      add({CostOf::failover_hour, machine.machine, "volumes " + type + what, quantity, unit,
           a_month / hours_per_month_});
    };
    const auto disks = static_cast<double>(machine.disk_bytes.size());
    an_hour("", static_cast<double>(size_gib), "GiB", price.gib_month);
    an_hour(", speed", disks * std::max(0, machine.volumes.iops - price.iops_free), "IOPS", price.iops_month);
    an_hour(", throughput", disks * std::max(0, machine.volumes.throughput - price.throughput_free), "MiB/s",
            price.throughput_month);
  }

  const CostInputs& inputs_;
  const Prices& prices_;
  const double hours_per_month_;
  CostEstimate estimate_;
};

}  // namespace

double CostEstimate::sum(CostOf of) const {
  double total = 0;
  for (const CostLine& line : lines) {
    if (line.of == of) total += line.amount();
  }
  return total;
}

CostEstimate estimate_cost(const CostInputs& inputs, const Prices& prices, double hours_per_month) {
  return Estimator(inputs, prices, hours_per_month).run();
}

double runs_in(const Schedule& schedule, double hours) {
  constexpr int minutes_of_day = 24 * 60;
  switch (schedule.kind) {
    case ScheduleKind::manual:
    case ScheduleKind::after_backup:
      return 0;
    case ScheduleKind::every: {
      auto open = (schedule.window_end - schedule.window_begin).count();
      if (open <= 0) open += minutes_of_day;  // over midnight, or always
      const double share = static_cast<double>(open) / minutes_of_day;
      return hours * 60 * share / static_cast<double>(std::max<std::int64_t>(1, schedule.period.count()));
    }
    case ScheduleKind::daily:
      return hours / 24;
    case ScheduleKind::weekly:
      return hours / (24 * 7);
  }
  return 0;
}

}  // namespace rekindle
