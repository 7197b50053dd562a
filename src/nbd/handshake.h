// The first phase of a connection: which export, and what may be used.
#pragma once

#include <optional>

#include "nbd/connection.h"
#include "nbd/export.h"

namespace rekindle::nbd {

// `exports` is not empty; the first is also the one without a name. Nothing: the client only wanted to know,
// and said good-bye. `invalid_argument`: what it sends is not NBD.
Result<std::optional<Session>> shake_hands(Connection& connection, std::span<const Export> exports);

}  // namespace rekindle::nbd
