// The vaults by the names the user gave them. Opens at first use and keeps them open.
#pragma once

#include <string>

#include "base/result.h"
#include "vault/vault.h"

namespace rekindle {

class Vaults {
 public:
  virtual ~Vaults() = default;
  virtual Result<Vault*> vault(const std::string& name) = 0;
};

}  // namespace rekindle
