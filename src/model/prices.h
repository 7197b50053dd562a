// What a recovery site charges, for estimates.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace rekindle {

struct VolumePrice {
  double gib_month = 0;
  double iops_month = 0;  // of each beyond those that are free
  int iops_free = 0;
  double throughput_month = 0;  // of each MiB/s beyond those that are free
  int throughput_free = 0;
};

struct Prices {
  std::string currency = "USD";
  std::string region;                           // where they hold
  std::string source;                           // whose they are, and of when
  std::map<std::string, double> instance_hour;  // by instance type
  std::map<std::string, VolumePrice> volumes;   // by volume type
  std::string volume_type;                      // of machines whose settings say none
  double image_gib_month = 0;                   // of what images hold
  double image_put_1000 = 0;                    // blocks of 512 KiB written into images
  double image_get_1000 = 0;                    // and read from them
  std::string proxy_instance_type;              // that a proxy usually has
};

// `prices` with what `given` says otherwise, in the words of the fields; numbers may be texts ("0.02").
// `invalid_argument` names the field that is none, or no price.
Result<Prices> changed_prices(Prices prices, const nlohmann::json& given);

nlohmann::json to_json(const Prices& prices);

}  // namespace rekindle
