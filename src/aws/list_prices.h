// AWS's list prices, for estimates: on-demand Linux instances, EBS volumes, snapshots, the EBS direct APIs.
#pragma once

#include "model/prices.h"

namespace rekindle {

// Of us-east-1, in USD. Prices::source says of when. For what is not in it `rekindle plan cost --prices`
// takes a file.
Prices aws_list_prices();

}  // namespace rekindle
