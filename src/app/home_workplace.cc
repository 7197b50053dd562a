#include "app/home_workplace.h"

#include <sys/stat.h>

#include <map>
#include <mutex>
#include <vector>

#include "app/secret_box.h"
#include "app/vault_store.h"
#include "aws/assume_role_policy.h"
#include "aws/aws_site.h"
#include "aws/credential_sources.h"
#include "aws/iam_policy.h"
#include "aws/list_prices.h"
#include "aws/s3_store.h"
#include "base/file.h"
#include "model/json.h"
#include "net/curl_transport.h"
#include "vault/vault.h"
#include "vmware/disk_command.h"
#include "vmware/vsphere_site.h"

namespace rekindle {

namespace {

// For the question that must not delay a failover: is the datacenter still there?
class ImpatientTransport final : public HttpTransport {
 public:
  explicit ImpatientTransport(const TlsTrust& trust) : transport_(trust) {}
  Result<HttpResponse> send(const HttpRequest& request) override {
    HttpRequest hurried = request;
    hurried.connect_timeout =
        std::min<std::chrono::milliseconds>(hurried.connect_timeout, std::chrono::seconds(2));
    hurried.timeout = std::min<std::chrono::milliseconds>(hurried.timeout, std::chrono::seconds(5));
    return transport_.send(hurried);
  }

 private:
  CurlTransport transport_;
};

struct OpenVault {
  std::unique_ptr<VaultStore> store;
  std::unique_ptr<Vault> vault;
};

// Sites by their names, each with the settings that it was made from: when the user changed these (a rotated
// key), it is made anew. The one before lives on for whoever works with it still.
template <typename Site>
struct Connections {
  struct Made {
    std::string settings;
    std::unique_ptr<Site> site;
  };
  std::map<std::string, Made> present;
  std::vector<std::unique_ptr<Site>> before;
};

class HomeWorkplace final : public Workplace, public Sites, public Vaults {
 public:
  HomeWorkplace(std::filesystem::path home, const SecretBox& secrets)
      : home_(std::move(home)), secrets_(secrets) {}

  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  HttpTransport& http() override { return http_; }
  Sites& sites() override { return *this; }
  Vaults& vaults() override { return *this; }

  Result<Catalog*> catalog() override {
    const std::lock_guard lock(mutex_);
    if (!catalog_) catalog_ = TRY(Catalog::open(home_ / "catalog.db", clock_));
    return catalog_.get();
  }

  Result<std::string> seal(const std::string& secret) override { return secrets_.seal(secret, random_); }

  Result<SnapshotSource*> datacenter(const std::string& name) override;
  Result<RestoreTarget*> restore_target(const std::string& datacenter) override;
  Result<RecoveryTarget*> account(const std::string& name) override;
  Result<SnapshotSource*> instances_of(const std::string& account) override;
  Result<GuestScripts*> guest_scripts(const std::string& account) override;
  Result<Vault*> vault(const std::string& name) override;
  Result<std::string> probe_datacenter(Datacenter& datacenter) override;
  Result<std::string> probe_account(const Account& account) override;
  Result<> prepare_vault(const VaultSettings& settings) override;
  Result<std::string> restore_hidden(const std::string& vault) override;
  Prices list_prices() override { return aws_list_prices(); }
  Result<PowerState> power_at_datacenter(const std::string& machine) override;
  nlohmann::json iam_policy(const std::string& region, const std::vector<std::string>& kms_keys,
                            const std::vector<std::string>& passed_roles,
                            const std::vector<std::string>& vault_buckets) override {
    return rekindle::iam_policy({region, kms_keys, passed_roles, vault_buckets});
  }
  Result<nlohmann::json> assume_role_policies(const Account& account, const std::string& caller) override {
    RoleTrust trust{account.role_arn, caller, ""};
    if (!account.sealed_external_id.empty())
      trust.external_id = TRY(secrets_.unseal(account.sealed_external_id), "account {}", account.name);
    return rekindle::assume_role_policies(trust);
  }

 private:
  template <typename Site, typename Connect>
  Result<Site*> connected(Connections<Site>& sites, const std::string& name, const std::string& settings,
                          Connect&& connect);
  Result<VsphereOptions> options_of(const Datacenter& datacenter);
  Result<std::unique_ptr<AwsSite>> make_site(const Account& account);
  Result<Credentials> own_credentials_of(const Account& account, const CredentialContext& context);
  Result<Credentials> credentials_of(const Account& account);
  Result<std::unique_ptr<VaultStore>> open_store(const VaultSettings& settings);
  Result<VsphereSite*> vsphere_site(const std::string& datacenter);
  Result<AwsSite*> aws_site(const std::string& account);
  Result<OpenVault> open_vault(const VaultSettings& settings, bool make);

  const std::filesystem::path home_;
  const SecretBox secrets_;
  SystemClock clock_;
  SystemRandom random_;
  CurlTransport http_;
  std::recursive_mutex mutex_;
  std::unique_ptr<Catalog> catalog_;
  Connections<VsphereSite> datacenters_;
  Connections<AwsSite> accounts_;
  std::map<std::string, OpenVault> vaults_;
};

TlsTrust trust_of(const std::string& thumbprint) {
  return thumbprint.empty() ? TlsTrust{} : TlsTrust{TlsTrust::Kind::thumbprint, thumbprint};
}

Result<VsphereOptions> HomeWorkplace::options_of(const Datacenter& datacenter) {
  VsphereOptions options;
  options.url = datacenter.url;
  options.user = datacenter.user;
  options.password = TRY(secrets_.unseal(datacenter.sealed_password), "datacenter {}", datacenter.name);
  options.thumbprint = datacenter.thumbprint;
  options.disk_command = datacenter.disk_command;
  return options;
}

// Connecting may take a minute where a site is down: others go on meanwhile. Who comes second gives his away.
template <typename Site, typename Connect>
Result<Site*> HomeWorkplace::connected(Connections<Site>& sites, const std::string& name,
                                       const std::string& settings, Connect&& connect) {
  const auto known = [&]() -> Site* {
    const auto found = sites.present.find(name);
    return found != sites.present.end() && found->second.settings == settings ? found->second.site.get()
                                                                              : nullptr;
  };
  {
    const std::lock_guard lock(mutex_);
    if (Site* site = known()) return site;
  }
  std::unique_ptr<Site> made = TRY(std::forward<Connect>(connect)());
  const std::lock_guard lock(mutex_);
  if (Site* site = known()) return site;
  auto& present = sites.present[name];
  if (present.site) sites.before.push_back(std::move(present.site));
  present = {settings, std::move(made)};
  return present.site.get();
}

Result<VsphereSite*> HomeWorkplace::vsphere_site(const std::string& datacenter) {
  const auto settings = TRY(TRY(catalog())->get<Datacenter>(datacenter));
  return connected(datacenters_, datacenter, nlohmann::json(settings).dump(),
                   [&]() -> Result<std::unique_ptr<VsphereSite>> {
                     const VsphereOptions options = TRY(options_of(settings));
                     return TRY(VsphereSite::connect(options, clock_, random_), "datacenter {}", datacenter);
                   });
}

Result<SnapshotSource*> HomeWorkplace::datacenter(const std::string& name) {
  VsphereSite* site = TRY(vsphere_site(name));
  return site;
}

Result<RestoreTarget*> HomeWorkplace::restore_target(const std::string& datacenter) {
  VsphereSite* site = TRY(vsphere_site(datacenter));
  return site;
}

Result<Credentials> HomeWorkplace::own_credentials_of(const Account& account,
                                                      const CredentialContext& context) {
  switch (account.credentials) {
    case CredentialKind::access_key: {
      const std::string secret = TRY(secrets_.unseal(account.sealed_secret_access_key));
      return Credentials(account.access_key_id, secret);
    }
    case CredentialKind::environment:
      return environment_credentials(context);
    case CredentialKind::profile:
      return profile_credentials(context, account.profile);
    case CredentialKind::instance_role:
      return instance_role_credentials(context);
  }
  return error(ErrorCode::corrupt, "its kind of credentials is not known to this version");
}

Result<Credentials> HomeWorkplace::credentials_of(const Account& account) {
  const CredentialContext context{http_, clock_, random_, account.region, account.endpoint};
  const Credentials own = TRY(own_credentials_of(account, context), "account {}", account.name);
  if (account.role_arn.empty()) return own;
  RoleToAssume role{account.role_arn, ""};
  if (!account.sealed_external_id.empty()) {
    role.external_id = TRY(secrets_.unseal(account.sealed_external_id), "account {}", account.name);
  }
  return assumed_role_credentials(context, own, role);
}

Result<std::unique_ptr<AwsSite>> HomeWorkplace::make_site(const Account& account) {
  AwsSiteOptions options;
  options.region = account.region;
  options.endpoint = account.endpoint;
  options.credentials = TRY(credentials_of(account));
  // Few at once: calls that are counted together on their way would go beyond the quota.
  if (account.image_puts_per_second > 0) {
    options.ebs_quotas.put = {static_cast<double>(account.image_puts_per_second),
                              std::max(1.0, account.image_puts_per_second / 50.0)};
  }
  options.installation = secrets_.installation();
  options.proxy.instance_id = account.proxy_instance_id;
  if (!account.proxy_device_path.empty()) options.proxy.device_path = account.proxy_device_path;
  return AwsSite::make(options, http_, clock_, random_);
}

Result<AwsSite*> HomeWorkplace::aws_site(const std::string& account) {
  const auto settings = TRY(TRY(catalog())->get<Account>(account));
  return connected(
      accounts_, account, nlohmann::json(settings).dump(),
      [&]() -> Result<std::unique_ptr<AwsSite>> { return TRY(make_site(settings), "account {}", account); });
}

Result<RecoveryTarget*> HomeWorkplace::account(const std::string& name) {
  AwsSite* site = TRY(aws_site(name));
  return site;
}

Result<SnapshotSource*> HomeWorkplace::instances_of(const std::string& account) {
  AwsSite* site = TRY(aws_site(account));
  return &site->instances();
}

Result<GuestScripts*> HomeWorkplace::guest_scripts(const std::string& account) {
  AwsSite* site = TRY(aws_site(account));
  return &site->guest_scripts();
}

Result<std::unique_ptr<VaultStore>> HomeWorkplace::open_store(const VaultSettings& settings) {
  Credentials credentials;
  if (!settings.account.empty()) {
    const auto account = TRY(TRY(catalog())->get<Account>(settings.account));
    credentials = TRY(credentials_of(account));
  } else if (!settings.s3.empty()) {
    const std::string secret = TRY(secrets_.unseal(settings.sealed_secret_access_key));
    credentials = {settings.access_key_id, secret};
  }
  VaultStore store = TRY(VaultStore::open(settings, credentials, http_, clock_, random_));
  return std::make_unique<VaultStore>(std::move(store));
}

Result<OpenVault> HomeWorkplace::open_vault(const VaultSettings& settings, bool make) {
  const std::string passphrase = TRY(secrets_.unseal(settings.sealed_passphrase), "vault {}", settings.name);
  const VaultSecret secret = VaultSecret::passphrase(passphrase);
  OpenVault open;
  open.store = TRY(open_store(settings));
  auto vault = Vault::open(open.store->store(), secret);
  if (make && !vault.ok() && vault.error().code() == ErrorCode::not_found)
    vault = Vault::create(open.store->store(), secret);
  if (!vault.ok()) return std::move(vault).error();
  open.vault = std::move(vault).value();
  return open;
}

Result<Vault*> HomeWorkplace::vault(const std::string& name) {
  const std::lock_guard lock(mutex_);
  auto& open = vaults_[name];
  if (!open.vault) {
    const auto settings = TRY(TRY(catalog())->get<VaultSettings>(name));
    open = TRY(open_vault(settings, false), "vault {}", name);
  }
  return open.vault.get();
}

Result<std::string> HomeWorkplace::probe_datacenter(Datacenter& datacenter) {
  if (!datacenter.disk_command.empty()) TRY(check_disk_command(datacenter.disk_command));
  if (datacenter.thumbprint.empty())
    datacenter.thumbprint = TRY(VsphereSite::probe(datacenter.url)).thumbprint;
  const VsphereOptions options = TRY(options_of(datacenter));
  const auto site = TRY(VsphereSite::connect(options, clock_, random_));
  return fmt::format("{} {}", site->about().name, site->about().version);
}

Result<std::string> HomeWorkplace::probe_account(const Account& account) {
  const auto site = TRY(make_site(account));
  return site->identity();
}

Result<> HomeWorkplace::prepare_vault(const VaultSettings& settings) {
  if (!settings.directory.empty())
    TRY(make_directories(settings.directory), "--directory must name a folder that can be made and written");
  TRY(open_vault(settings, true));
  return {};
}

// Not through open_vault: what was hidden may be what the vault needs to open.
Result<std::string> HomeWorkplace::restore_hidden(const std::string& vault) {
  const auto settings = TRY(TRY(catalog())->get<VaultSettings>(vault));
  const auto store = TRY(open_store(settings));
  if (store->s3() == nullptr) {
    return error(ErrorCode::failed_precondition,
                 "nothing can be hidden in a directory: only S3 has versions");
  }
  const S3Restored restored = TRY(store->s3()->restore_hidden());
  return fmt::format("{} objects are shown again; {} were freed of what had been put over them.",
                     restored.shown_again, restored.laid_bare);
}

Result<PowerState> HomeWorkplace::power_at_datacenter(const std::string& machine) {
  Catalog* known = TRY(catalog());
  const auto protected_machine = TRY(known->get<ProtectedMachine>(machine));
  const auto settings = TRY(known->get<Datacenter>(protected_machine.datacenter));
  VsphereOptions options = TRY(options_of(settings));
  options.retry.attempts = 1;
  ImpatientTransport transport(trust_of(settings.thumbprint));
  const auto site = TRY(VsphereSite::connect(options, transport, clock_, random_));
  return TRY(site->machine(protected_machine.id)).power;
}

}  // namespace

Result<std::unique_ptr<Workplace>> open_home(const std::string& home) {
  const std::filesystem::path path(home);
  TRY(make_directories(path));
  ::chmod(path.c_str(), 0700);
  SystemRandom random;
  const SecretBox secrets = TRY(SecretBox::open(path, random));
  return std::unique_ptr<Workplace>(std::make_unique<HomeWorkplace>(path, secrets));
}

}  // namespace rekindle
