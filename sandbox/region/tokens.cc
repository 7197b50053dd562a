#include "sandbox/region/tokens.h"

#include "base/bytes.h"
#include "sandbox/region/digest.h"

namespace rekindle::sandbox {

namespace {

constexpr std::size_t head_bytes = 16, seal_bytes = 16;

Bytes seal(const std::string& secret, std::string_view subject, ByteView head) {
  Bytes message = to_bytes(head);
  const ByteView text = as_bytes(subject);
  message.insert(message.end(), text.begin(), text.end());
  Bytes digest = hmac_sha256(as_bytes(secret), message);
  digest.resize(seal_bytes);
  return digest;
}

}  // namespace

std::string Tokens::make(std::string_view subject, std::uint64_t number, std::int64_t expires_ms) const {
  Bytes token(head_bytes);
  store_be(token.data(), number);
  store_be(token.data() + 8, static_cast<std::uint64_t>(expires_ms));
  const Bytes sealed = seal(secret_, subject, token);
  token.insert(token.end(), sealed.begin(), sealed.end());
  return to_base64(token);
}

std::optional<std::uint64_t> Tokens::open(std::string_view subject, std::string_view token,
                                          std::int64_t now_ms) const {
  const auto bytes = from_base64(token);
  if (!bytes.ok() || bytes->size() != head_bytes + seal_bytes) return std::nullopt;
  const ByteView head = ByteView(*bytes).first(head_bytes);
  if (!equal_secrets(seal(secret_, subject, head), ByteView(*bytes).subspan(head_bytes))) return std::nullopt;
  if (load_be<std::uint64_t>(head.data() + 8) <= static_cast<std::uint64_t>(now_ms)) return std::nullopt;
  return load_be<std::uint64_t>(head.data());
}

}  // namespace rekindle::sandbox
