// Secrets at rest: sealed with a key that lies in the home directory, readable by its owner only.
#pragma once

#include <filesystem>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "crypto/aead.h"

namespace rekindle {

class SecretBox {
 public:
  // Reads <home>/secret.key, or makes it.
  static Result<SecretBox> open(const std::filesystem::path& home, Random& random);

  // Names this home to the outside; tells nothing of the key. The same as long as the key is.
  std::string installation() const;

  std::string seal(const std::string& secret, Random& random) const;
  // `corrupt` when it was not sealed with this key.
  Result<std::string> unseal(const std::string& sealed) const;

 private:
  explicit SecretBox(const AeadKey& key) : key_(key) {}
  AeadKey key_;
};

}  // namespace rekindle
