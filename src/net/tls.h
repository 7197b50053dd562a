// A self-signed certificate for a server that has none.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace rekindle {

struct TlsIdentity {
  std::string certificate_pem;
  std::string key_pem;
};

// Reads certificate.pem and key.pem of the directory, or makes them (P-256, ten years, for localhost and
// 127.0.0.1) when they are absent.
Result<TlsIdentity> load_or_make_identity(const std::filesystem::path& directory);

// SHA-256 of the certificate, lower-case hexadecimal.
Result<std::string> thumbprint(const TlsIdentity& identity);

}  // namespace rekindle
