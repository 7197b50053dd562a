#include "aws/list_prices.h"

#include <array>
#include <string_view>

namespace rekindle {

namespace {

// Sizes of a family cost in proportion to their vCPUs: .large has 2.
constexpr std::array<std::pair<std::string_view, double>, 9> sizes = {{{"large", 1},
                                                                       {"xlarge", 2},
                                                                       {"2xlarge", 4},
                                                                       {"4xlarge", 8},
                                                                       {"8xlarge", 16},
                                                                       {"12xlarge", 24},
                                                                       {"16xlarge", 32},
                                                                       {"24xlarge", 48},
                                                                       {"32xlarge", 64}}};

void add_family(std::map<std::string, double>& prices, std::string_view family, double of_large) {
  for (const auto& [size, times] : sizes) prices[fmt::format("{}.{}", family, size)] = of_large * times;
}

}  // namespace

// Sources: https://aws.amazon.com/ec2/pricing/on-demand/, https://aws.amazon.com/ebs/pricing/ and
// https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-pricing.html. The figures were compared in November
// 2026 with tables of others that quote these pages, not with AWS's own price list.
Prices aws_list_prices() {
  Prices prices;
  prices.region = "us-east-1";
  prices.source = "AWS list prices of us-east-1 for Linux on demand, as known in November 2026";
  prices.instance_hour = {{"t3.nano", 0.0052},   {"t3.micro", 0.0104}, {"t3.small", 0.0208},
                          {"t3.medium", 0.0416}, {"t3.large", 0.0832}, {"t3.xlarge", 0.1664},
                          {"t3.2xlarge", 0.3328}};
  add_family(prices.instance_hour, "m6i", 0.096);
  add_family(prices.instance_hour, "c6i", 0.085);
  add_family(prices.instance_hour, "r6i", 0.126);
  prices.volumes["gp3"] = {0.08, 0.005, 3000, 0.04, 125};
  prices.volumes["gp2"] = {0.10, 0, 0, 0, 0};
  prices.volume_type = "gp3";
  prices.image_gib_month = 0.05;
  prices.image_put_1000 = 0.006;
  prices.image_get_1000 = 0.003;
  prices.proxy_instance_type = "c6i.large";  // as in deploy/
  return prices;
}

}  // namespace rekindle
