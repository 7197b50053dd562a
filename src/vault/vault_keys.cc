#include "vault/vault_keys.h"

#include <algorithm>

namespace rekindle {

namespace {

constexpr std::string_view magic = "REKINDLE";
constexpr std::uint16_t format_version = 1;

AeadNonce nonce_of(Section section, std::uint64_t offset) {
  AeadNonce nonce{};
  store_le<std::uint32_t>(nonce.data(), static_cast<std::uint32_t>(section));
  store_le<std::uint64_t>(nonce.data() + 4, offset);
  return nonce;
}

}  // namespace

VaultKeys::VaultKeys(const MasterKeys& masters)
    : chunk_key_(hmac_sha256(masters.at(0), as_bytes("rekindle 1 chunk id"))),
      page_key_(hmac_sha256(masters.at(0), as_bytes("rekindle 1 page id"))),
      name_secret_(hmac_sha256(masters.at(0), as_bytes("rekindle 1 object name"))),
      signing_secret_(hmac_sha256(masters.at(0), as_bytes("rekindle 1 certificate"))) {
  for (const AeadKey& master : masters)
    object_secrets_.push_back(hmac_sha256(master, as_bytes("rekindle 1 object key")));
}

std::string VaultKeys::point_object_name(const RecoveryPointId& id) const {
  const Sha256 mac = hmac_sha256(name_secret_, as_bytes(id.str()));
  return "points/" + to_hex(ByteView(mac).first(16));
}

AeadKey VaultKeys::object_key(std::uint32_t epoch, ObjectKind kind, ByteView salt,
                              std::string_view object_name) const {
  Bytes input{static_cast<std::byte>(kind)};
  input.insert(input.end(), salt.begin(), salt.end());  // of fixed length, so the joint is unambiguous
  const ByteView name = as_bytes(object_name);
  input.insert(input.end(), name.begin(), name.end());
  return hmac_sha256(object_secrets_.at(epoch - 1), input);
}

ObjectHeader make_header(ObjectKind kind, std::uint32_t epoch, Random& random) {
  ObjectHeader header{};
  std::ranges::copy(as_bytes(magic), header.begin());
  store_le<std::uint16_t>(header.data() + 8, format_version);
  header[10] = static_cast<std::byte>(kind);
  store_le<std::uint32_t>(header.data() + 12, epoch);
  random.fill(ByteSpan(header).subspan(16));
  return header;
}

std::uint32_t epoch_of(const ObjectHeader& header) {
  return load_le<std::uint32_t>(header.data() + 12);
}

Result<> check_header(ObjectKind kind, std::string_view name, ByteView header) {
  if (header.size() < header_bytes || as_text(header.first(8)) != magic) {
    return damaged(name, "it does not begin as an object of a vault does");
  }
  const auto version = load_le<std::uint16_t>(header.data() + 8);
  // The header is authenticated only later, so a damaged version looks like a new one: say both.
  if (version != format_version) {
    return error(
        ErrorCode::corrupt,
        "vault object {} has format {}, this program knows {}: use a newer rekindle; if there is none, "
        "the object is damaged",
        name, version, format_version);
  }
  if (header[10] != static_cast<std::byte>(kind)) return damaged(name, "it is an object of another kind");
  return {};
}

ObjectCipher::ObjectCipher(const VaultKeys& keys, std::string name, const ObjectHeader& header)
    : name_(std::move(name)),
      header_(header),
      associated_(header.begin(), header.end()),
      key_(keys.object_key(epoch_of(header), static_cast<ObjectKind>(header[10]),
                           ByteView(header).subspan(16), name_)) {
  const ByteView name_bytes = as_bytes(name_);
  associated_.insert(associated_.end(), name_bytes.begin(), name_bytes.end());
}

ObjectCipher ObjectCipher::make(const VaultKeys& keys, ObjectKind kind, std::string name, Random& random) {
  return {keys, std::move(name), make_header(kind, keys.newest_epoch(), random)};
}

Result<ObjectCipher> ObjectCipher::from_header(const VaultKeys& keys, ObjectKind kind, std::string name,
                                               ByteView header) {
  TRY(check_header(kind, name, header));
  ObjectHeader copy{};
  std::ranges::copy(header.first(header_bytes), copy.begin());
  const std::uint32_t epoch = epoch_of(copy);
  if (epoch == 0 || epoch > keys.newest_epoch()) {
    return error(
        ErrorCode::corrupt,
        "vault object {} is sealed under key epoch {}, and {} are known here: if the vault's key was "
        "rotated meanwhile, run it again; if not, the object is damaged",
        name, epoch, keys.newest_epoch());
  }
  return ObjectCipher(keys, std::move(name), copy);
}

void ObjectCipher::seal(Section section, std::uint64_t offset, ByteView plain, ByteSpan sealed) const {
  aead_seal(key_, nonce_of(section, offset), associated_, plain, sealed);
}

Bytes ObjectCipher::sealed(Section section, std::uint64_t offset, ByteView plain) const {
  Bytes result(plain.size() + aead_tag_bytes);
  seal(section, offset, plain, result);
  return result;
}

Result<Bytes> ObjectCipher::open(Section section, std::uint64_t offset, ByteView sealed) const {
  Bytes plain = to_bytes(sealed);
  const ByteSpan opened = TRY(open_in_place(section, offset, plain));
  plain.resize(opened.size());
  return plain;
}

Result<ByteSpan> ObjectCipher::open_in_place(Section section, std::uint64_t offset, ByteSpan sealed) const {
  if (sealed.size() < aead_tag_bytes) return damaged(name_, "a part is too short");
  const ByteSpan plain = sealed.first(sealed.size() - aead_tag_bytes);
  if (!aead_open(key_, nonce_of(section, offset), associated_, sealed, plain).ok()) {
    return damaged(name_, fmt::format("the part at byte {} fails authentication", offset));
  }
  return plain;
}

Bytes sealed_object(const VaultKeys& keys, ObjectKind kind, const std::string& name, ByteView body,
                    Random& random) {
  const ObjectCipher cipher = ObjectCipher::make(keys, kind, name, random);
  Bytes object(header_bytes + body.size() + aead_tag_bytes);
  std::ranges::copy(cipher.header(), object.begin());
  cipher.seal(Section::body, 0, body, ByteSpan(object).subspan(header_bytes));
  return object;
}

Result<Bytes> open_object(const VaultKeys& keys, ObjectKind kind, const std::string& name, ByteView object) {
  const ObjectCipher cipher = TRY(ObjectCipher::from_header(keys, kind, name, object));
  return cipher.open(Section::body, 0, object.subspan(header_bytes));
}

}  // namespace rekindle
