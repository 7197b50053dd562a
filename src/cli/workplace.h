// What the commands work with. src/app builds it; it alone knows which implementations are used.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "model/prices.h"
#include "model/settings.h"
#include "net/http.h"
#include "protect/vaults.h"
#include "site/sites.h"

namespace rekindle {

class Workplace {
 public:
  virtual ~Workplace() = default;

  virtual Clock& clock() = 0;
  virtual Random& random() = 0;
  virtual HttpTransport& http() = 0;
  // Opened at the first call.
  virtual Result<Catalog*> catalog() = 0;
  virtual Sites& sites() = 0;
  virtual Vaults& vaults() = 0;

  // Secrets are kept sealed with this home's key.
  virtual Result<std::string> seal(const std::string& secret) = 0;

  // Connects with what is to be registered. Fills in the thumbprint if it is empty. Returns what the other
  // side says it is.
  virtual Result<std::string> probe_datacenter(Datacenter& datacenter) = 0;
  virtual Result<std::string> probe_account(const Account& account) = 0;
  // Makes the vault, or opens the one that is there with the same passphrase.
  virtual Result<> prepare_vault(const VaultSettings& vault) = 0;
  // Brings back what somebody hid in a vault on S3; says what was done.
  virtual Result<std::string> restore_hidden(const std::string& vault) = 0;
  // The IAM policy that the account's user or role needs; `options` as rekindle account policy has them.
  virtual nlohmann::json iam_policy(const std::string& region, const std::vector<std::string>& kms_keys,
                                    const std::vector<std::string>& passed_roles,
                                    const std::vector<std::string>& vault_buckets) = 0;
  // Of an account whose role `caller` (an ARN) assumes: {"trust_policy", "caller_policy"}, with the external
  // id in them if it has one.
  virtual Result<nlohmann::json> assume_role_policies(const Account& account, const std::string& caller) = 0;
  // Built in, of one region: see Prices::source.
  virtual Prices list_prices() = 0;
  // Whether the machine runs in its datacenter; an error when that cannot be asked. Answers within a few
  // seconds.
  virtual Result<PowerState> power_at_datacenter(const std::string& machine) = 0;
};

}  // namespace rekindle
