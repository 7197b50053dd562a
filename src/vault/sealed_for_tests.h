// Objects with any plain bytes behind the right seals: what only a holder of the keys could write, and what
// tests and fuzzers feed the parsers with.
#pragma once

#include "vault/vault_keys.h"
#include "vault/wire.h"

namespace rekindle {

// As a pack (Number: u32) or an index segment (u64) ends: header, `before`, `sealed`, then where `sealed`
// lies and the ending.
template <typename Number>
Bytes with_trailer(const ObjectCipher& cipher, ByteView before, ByteView sealed, std::string_view ending) {
  WireWriter out;
  out.bytes(cipher.header());
  out.bytes(before);
  out.bytes(sealed);
  out.number(static_cast<Number>(header_bytes + before.size()));
  out.number(static_cast<Number>(sealed.size()));
  out.bytes(as_bytes(ending));
  return out.take();
}

}  // namespace rekindle
