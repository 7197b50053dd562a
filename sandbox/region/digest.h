// SHA-256 and HMAC-SHA256 over OpenSSL. The sandbox must not share the product's code for these.
#pragma once

#include <string>

#include "base/bytes.h"

namespace rekindle::sandbox {

Bytes sha256(ByteView bytes);
Bytes hmac_sha256(ByteView key, ByteView message);

// Compares in constant time.
bool equal_secrets(ByteView a, ByteView b);

}  // namespace rekindle::sandbox
