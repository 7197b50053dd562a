// The master key of a vault and what is derived from it.
#pragma once

#include <string>

#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "model/ids.h"
#include "vault/format.h"

namespace rekindle {

class VaultKeys {
 public:
  explicit VaultKeys(const AeadKey& master);

  ContentId chunk_id(ByteView content) const { return chunk_key_(content); }
  ContentId page_id(ByteView content) const { return page_key_(content); }
  // "points/..."; tells nothing about the id to who has no key.
  std::string point_object_name(const RecoveryPointId& id) const;
  AeadKey object_key(ObjectKind kind, ByteView salt, std::string_view object_name) const;

 private:
  HmacKey chunk_key_;
  HmacKey page_key_;
  Sha256 name_secret_;
  Sha256 object_secret_;
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
  // For an object that is there. `corrupt` if the header is not that of a `kind`; `failed_precondition` if a
  // newer Rekindle wrote it.
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

ObjectHeader make_header(ObjectKind kind, Random& random);
// See ObjectCipher::from_header.
Result<> check_header(ObjectKind kind, std::string_view name, ByteView header);

// An object that is a header and one sealed body.
Bytes sealed_object(const VaultKeys& keys, ObjectKind kind, const std::string& name, ByteView body,
                    Random& random);
Result<Bytes> open_object(const VaultKeys& keys, ObjectKind kind, const std::string& name, ByteView object);

}  // namespace rekindle
