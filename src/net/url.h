// URLs: taking apart and percent-encoding (RFC 3986).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rekindle {

struct Url {
  std::string scheme;      // lower case
  std::string host;        // without brackets
  std::uint16_t port = 0;  // the scheme's default when not given
  std::string path;        // still encoded, at least "/"
  std::string query;       // still encoded, without '?'

  // "host" or "host:port" when the port is not the scheme's default.
  std::string authority() const;
  std::string origin() const { return scheme + "://" + authority(); }
};

Result<Url> parse_url(std::string_view text);

// Everything but A-Z a-z 0-9 - . _ ~ becomes %XX (and '/' stays if keep_slashes).
std::string percent_encode(std::string_view text, bool keep_slashes = false);
// %XX, and '+' as a space if plus_is_space. Broken escapes stay as they are.
std::string percent_decode(std::string_view text, bool plus_is_space = false);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;
// "a=1&b=x%20y", in the given order.
std::string encode_query(const QueryParameters& parameters);
QueryParameters parse_query(std::string_view query, bool plus_is_space = true);

}  // namespace rekindle
