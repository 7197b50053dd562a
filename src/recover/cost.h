// What a DR plan costs at the recovery site: a month of keeping it ready, an hour of a failover. An estimate
// from list prices and from what the last replications did; taxes, discounts, data transfer, licenses, public
// addresses and what lives for minutes only are not in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/dr_plan.h"
#include "model/prices.h"
#include "model/schedule.h"

namespace rekindle {

struct CostMachine {
  std::string machine;
  std::string instance_type;  // as a failover would have it
  VolumeSettings volumes;
  std::vector<std::uint64_t> disk_bytes;
  std::uint64_t image_bytes = 0;  // that its DR copies hold
  double replications = 0;        // a month
  // In one of them, by the mean of the last; absent: none is known.
  std::optional<double> blocks_put;
  std::optional<double> blocks_read;
};

struct CostInputs {
  std::vector<CostMachine> machines;
  ImageWriting write = ImageWriting::direct;
  std::vector<std::string> left_out;  // what could not be found out, a sentence each
};

enum class CostOf { month, failover_hour };

struct CostLine {
  CostOf of = CostOf::month;
  std::string machine;  // empty: of the whole plan
  std::string what;     // "images"
  double quantity = 0;
  std::string unit;  // "GiB"
  double price = 0;  // of one, a month or an hour
  double amount() const { return quantity * price; }
};

struct CostEstimate {
  std::vector<CostLine> lines;
  std::vector<std::string> left_out;

  double sum(CostOf of) const;
};

CostEstimate estimate_cost(const CostInputs& inputs, const Prices& prices, double hours_per_month);

// How often something with this schedule is done in so many hours; 0 for manual and after_backup.
double runs_in(const Schedule& schedule, double hours);

}  // namespace rekindle
