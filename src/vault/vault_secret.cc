#include "vault/vault_secret.h"

#include <algorithm>

#include "base/file.h"
#include "vault/vault_keys.h"
#include "vault/wire.h"

namespace rekindle {

namespace {

enum class Method : std::uint8_t { passphrase = 1, key_file = 2 };

// header, method, passes, memory, salt: all that is associated with the sealed master key, but for the name.
constexpr std::size_t preamble_bytes = header_bytes + 1 + 4 + 4 + 16;
constexpr std::size_t key_object_bytes = preamble_bytes + 12 + 32 + aead_tag_bytes;

Bytes associated_data(ByteView preamble, const std::string& object_name) {
  Bytes associated = to_bytes(preamble);
  std::ranges::copy(as_bytes(object_name), std::back_inserter(associated));
  return associated;
}

}  // namespace

VaultSecret VaultSecret::passphrase(std::string passphrase, PasswordCost cost) {
  return VaultSecret(Passphrase{std::move(passphrase), cost});
}

Result<VaultSecret> VaultSecret::from_key_file(const std::filesystem::path& path) {
  std::string text = TRY(read_text_file(path), "reading the vault's key file");
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  const auto bytes = from_hex(text);
  AeadKey key{};
  if (!bytes.ok() || bytes->size() != key.size()) {
    return error(ErrorCode::invalid_argument,
                 "{} is not a key file of a vault: it must hold 64 hexadecimal digits", path.string());
  }
  std::ranges::copy(*bytes, key.begin());
  return VaultSecret(key);
}

Result<> VaultSecret::make_key_file(const std::filesystem::path& path, Random& random) {
  auto file = TRY(File::open(path, File::Mode::create_new), "making the vault's key file");
  TRY(file.write_at(0, as_bytes(random.hex(32) + "\n")));
  TRY(file.sync());
  return sync_directory(path.parent_path());
}

Result<AeadKey> VaultSecret::wrapping_key(const PasswordSalt& salt, const PasswordCost& cost) const {
  if (const auto* key = std::get_if<AeadKey>(&secret_)) return *key;
  return key_from_password(std::get<Passphrase>(secret_).text, salt, cost);
}

Result<Bytes> VaultSecret::wrap(const AeadKey& master, std::uint32_t epoch, const std::string& object_name,
                                Random& random) const {
  const auto* passphrase = std::get_if<Passphrase>(&secret_);
  if (passphrase != nullptr && passphrase->text.empty()) {
    return error(ErrorCode::invalid_argument, "the passphrase is empty: choose one that cannot be guessed");
  }
  const PasswordCost cost = passphrase != nullptr ? passphrase->cost : PasswordCost{0, 0};
  PasswordSalt salt{};
  random.fill(salt);
  AeadNonce nonce{};
  random.fill(nonce);
  const AeadKey key = TRY(wrapping_key(salt, cost));

  WireWriter out;
  out.bytes(make_header(ObjectKind::key, epoch, random));
  out.number(static_cast<std::uint8_t>(passphrase != nullptr ? Method::passphrase : Method::key_file));
  out.number(cost.passes);
  out.number(cost.memory_kib);
  out.bytes(salt);
  Bytes object = out.take();
  const Bytes associated = associated_data(object, object_name);
  object.insert(object.end(), nonce.begin(), nonce.end());
  object.resize(key_object_bytes);
  aead_seal(key, nonce, associated, master, ByteSpan(object).last(master.size() + aead_tag_bytes));
  return object;
}

Result<AeadKey> VaultSecret::unwrap(const std::string& object_name, ByteView object) const {
  TRY(check_header(ObjectKind::key, object_name, object));
  if (object.size() != key_object_bytes) return damaged(object_name, "it has the wrong length");
  WireReader in(object.subspan(header_bytes));
  const auto method = static_cast<Method>(in.number<std::uint8_t>());
  const PasswordCost cost{.passes = in.number<std::uint32_t>(), .memory_kib = in.number<std::uint32_t>()};
  const auto salt = in.array<16>();
  const auto nonce = in.array<12>();
  const bool with_passphrase = std::holds_alternative<Passphrase>(secret_);
  if (method != (with_passphrase ? Method::passphrase : Method::key_file)) return refusal();
  const AeadKey key = TRY(wrapping_key(salt, cost), "opening vault object {}", object_name);
  AeadKey master{};
  const Bytes associated = associated_data(object.first(preamble_bytes), object_name);
  if (!aead_open(key, nonce, associated, object.last(master.size() + aead_tag_bytes), master).ok())
    return refusal();
  return master;
}

Error VaultSecret::refusal() const {
  return error(
      ErrorCode::unauthenticated,
      "this {} does not open the vault: give one of those that do; if this machine used to open it, the "
      "passphrase was changed elsewhere: say 'rekindle vault key use'",
      std::holds_alternative<Passphrase>(secret_) ? "passphrase" : "key file");
}

}  // namespace rekindle
