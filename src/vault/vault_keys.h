// The master keys of a vault and what is derived from them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "model/ids.h"
#include "vault/format.h"

namespace rekindle {

// One for each key epoch, from epoch 1: rotating the key adds one. Never empty.
using MasterKeys = std::vector<AeadKey>;

// Ids and names are keyed by the first epoch, so that content is known again; objects are sealed by the
// newest.
class VaultKeys {
 public:
  explicit VaultKeys(const AeadKey& master) : VaultKeys(MasterKeys{master}) {}
  explicit VaultKeys(const MasterKeys& masters);

  std::uint32_t newest_epoch() const { return static_cast<std::uint32_t>(object_secrets_.size()); }

  ContentId chunk_id(ByteView content) const { return chunk_key_(content); }
  // Of several chunks at once, which is faster.
  void chunk_ids(std::span<const ByteView> contents, std::span<ContentId> ids) const {
    chunk_key_.many(contents, ids);
  }
  ContentId page_id(ByteView content) const { return page_key_(content); }
  // Of what is not kept in the vault and yet must be known to be ours: boot certificates.
  Sha256 sign(ByteView text) const { return hmac_sha256(signing_secret_, text); }
  // "points/..."; tells nothing about the id to who has no key.
  std::string point_object_name(const RecoveryPointId& id) const;
  // `epoch` is one of ours.
  AeadKey object_key(std::uint32_t epoch, ObjectKind kind, ByteView salt, std::string_view object_name) const;

 private:
  HmacKey chunk_key_;
  HmacKey page_key_;
  Sha256 name_secret_;
  Sha256 signing_secret_;
  std::vector<Sha256> object_secrets_;  // by epoch - 1
};

constexpr std::size_t header_bytes = 32;
using ObjectHeader = std::array<std::byte, header_bytes>;

// The sections of an object: each has nonces of its own.
enum class Section : std::uint32_t { body = 0, frame = 1, directory = 2, index_page = 3, index_footer = 4 };

// Seals and opens the parts of one object; bound to its name, kind and the place of the part. Any number of
// threads.
class ObjectCipher {
 public:
  // For a new object; the header must be its first bytes.
  static ObjectCipher make(const VaultKeys& keys, ObjectKind kind, std::string name, Random& random);
  // For an object that is there. `corrupt` if the header is not that of a `kind`, or of a format or key epoch
  // that is not known here.
  static Result<ObjectCipher> from_header(const VaultKeys& keys, ObjectKind kind, std::string name,
                                          ByteView header);

  const std::string& name() const { return name_; }
  const ObjectHeader& header() const { return header_; }

  // `sealed` is aead_tag_bytes longer than `plain`; may be in place.
  void seal(Section section, std::uint64_t offset, ByteView plain, ByteSpan sealed) const;
  Bytes sealed(Section section, std::uint64_t offset, ByteView plain) const;
  // `corrupt`, naming the object.
  Result<Bytes> open(Section section, std::uint64_t offset, ByteView sealed) const;
  // In place: what was sealed are then the first bytes of `sealed`, which are returned.
  Result<ByteSpan> open_in_place(Section section, std::uint64_t offset, ByteSpan sealed) const;

 private:
  ObjectCipher(const VaultKeys& keys, std::string name, const ObjectHeader& header);

  std::string name_;
  ObjectHeader header_;
  Bytes associated_;
  AeadKey key_;
};

ObjectHeader make_header(ObjectKind kind, std::uint32_t epoch, Random& random);
std::uint32_t epoch_of(const ObjectHeader& header);
// See ObjectCipher::from_header.
Result<> check_header(ObjectKind kind, std::string_view name, ByteView header);

// An object that is a header and one sealed body.
Bytes sealed_object(const VaultKeys& keys, ObjectKind kind, const std::string& name, ByteView body,
                    Random& random);
Result<Bytes> open_object(const VaultKeys& keys, ObjectKind kind, const std::string& name, ByteView object);

}  // namespace rekindle
