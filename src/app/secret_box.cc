#include "app/secret_box.h"

#include <algorithm>

#include "base/file.h"
#include "crypto/hash.h"

namespace rekindle {

namespace {
constexpr std::string_view associated = "rekindle secret 1";
}

Result<SecretBox> SecretBox::open(const std::filesystem::path& home, Random& random) {
  const auto path = home / "secret.key";
  // Two processes that start at once must not make two keys.
  const FileLock lock = TRY(FileLock::acquire(home / "secret.lock"));
  auto text = read_text_file(path);
  if (!text.ok() && text.error().code() == ErrorCode::not_found) {
    text = random.hex(sizeof(AeadKey));
    TRY(write_file_atomically(path,
                              *text));  // its temporary file, and so the file, is readable by the owner only
  }
  if (!text.ok()) return text.error();
  const Bytes raw = TRY(from_hex(*text), "{}", path.string());
  if (raw.size() != sizeof(AeadKey))
    return error(ErrorCode::corrupt, "{} is not a key; restore it from its copy", path.string());
  AeadKey key;
  std::copy(raw.begin(), raw.end(), key.begin());
  return SecretBox(key);
}

std::string SecretBox::installation() const {
  const Sha256 mac = hmac_sha256(key_, as_bytes("rekindle installation"));
  return to_hex(ByteView(mac).first(8));
}

std::string SecretBox::seal(const std::string& secret, Random& random) const {
  AeadNonce nonce;
  random.fill(nonce);
  Bytes sealed(nonce.size() + secret.size() + aead_tag_bytes);
  std::copy(nonce.begin(), nonce.end(), sealed.begin());
  aead_seal(key_, nonce, as_bytes(associated), as_bytes(secret), ByteSpan(sealed).subspan(nonce.size()));
  return to_base64(sealed);
}

Result<std::string> SecretBox::unseal(const std::string& sealed) const {
  const Bytes raw = TRY(from_base64(sealed), "a stored secret");
  AeadNonce nonce;
  if (raw.size() < nonce.size() + aead_tag_bytes)
    return error(ErrorCode::corrupt, "a stored secret is cut off; register it again");
  std::copy_n(raw.begin(), nonce.size(), nonce.begin());
  Bytes plain(raw.size() - nonce.size() - aead_tag_bytes);
  const Result<> opened =
      aead_open(key_, nonce, as_bytes(associated), ByteView(raw).subspan(nonce.size()), plain);
  if (!opened.ok()) {
    return error(
        ErrorCode::corrupt,
        "a stored secret was sealed with another key than this home's secret.key; register it again");
  }
  return std::string(as_text(plain));
}

}  // namespace rekindle
