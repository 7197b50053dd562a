// Opaque tokens of the EBS direct APIs: block tokens and page tokens. Sealed with the region's secret, so
// that a token of another snapshot, block or listing, or an old one, is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rekindle::sandbox {

class Tokens {
 public:
  explicit Tokens(std::string secret) : secret_(std::move(secret)) {}

  // `subject` says what the token is for; `number` is carried inside.
  std::string make(std::string_view subject, std::uint64_t number, std::int64_t expires_ms) const;
  // The number, if the token was made for this subject and has not expired.
  std::optional<std::uint64_t> open(std::string_view subject, std::string_view token,
                                    std::int64_t now_ms) const;

 private:
  std::string secret_;
};

}  // namespace rekindle::sandbox
