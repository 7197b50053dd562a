// What a vault says when its stored bytes are not what was written.
#include "base/file.h"
#include "vault/frame.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;

class VaultDamage : public testing::Test {
 protected:
  VaultDamage() {
    auto vault = Vault::create(store, test_secret()).value();
    machine.disk("d", 3 * mib).put(0, sample_bytes(random, 2 * mib));
    CHECK(machine.back_up(*vault, "p1").ok());
    machine.disk("d").put(mib, sample_bytes(random, 500 * kib));
    CHECK(machine.back_up(*vault, "p2", "p1").ok());
  }

  std::vector<std::string> names(std::string_view prefix) {
    std::vector<std::string> found;
    for (const ObjectInfo& object : store.list(prefix).value()) found.push_back(object.name);
    return found;
  }

  // Opens, lists, reads and compares everything: right bytes, or `corrupt` (a lost key or vault object may
  // also be an `unauthenticated` or `not_found`), and never anything else. Returns the sentences.
  std::vector<std::string> use_everything() {
    std::vector<std::string> sentences;
    const auto expect_sentence = [&](const Error& error) {
      EXPECT_THAT(error.code(), AnyOf(ErrorCode::corrupt, ErrorCode::unauthenticated, ErrorCode::not_found))
          << error.message();
      sentences.push_back(error.message());
    };
    auto vault = Vault::open(store, test_secret());
    if (!vault.ok()) {
      expect_sentence(vault.error());
      return sentences;
    }
    if (auto listed = (*vault)->list(); !listed.ok()) expect_sentence(listed.error());
    for (const char* point : {"p1", "p2"}) {
      if (auto read = machine.compare(**vault, point); !read.ok()) expect_sentence(read.error());
    }
    for (const CheckProblem& problem : (*vault)->check(CheckLevel::data).value().problems) {
      sentences.push_back(problem.what);
    }
    return sentences;
  }

  SeededRandom random{11};
  MemoryStore store;
  TestMachine machine{"vm-1"};
};

TEST_F(VaultDamage, AFlippedBitInAnyObjectIsFoundAndNamesTheObject) {
  ASSERT_TRUE(use_everything().empty());
  for (const std::string& name : names("")) {
    const Bytes original = store.get(name).value();
    for (int i = 0; i < 12; ++i) {
      // The first bytes, the last bytes, and any.
      const std::uint64_t at =
          i < 4 ? random.below(40) : original.size() - 1 - random.below(i < 8 ? 40 : original.size());
      Bytes damaged = original;
      damaged[at] ^= static_cast<std::byte>(1U << random.below(8));
      store.replace(name, damaged);
      const auto sentences = use_everything();
      const auto named = name.starts_with("keys/") ? HasSubstr("e") : HasSubstr(name);
      EXPECT_THAT(sentences, Contains(named)) << name << " byte " << at;
    }
    store.replace(name, original);
  }
}

TEST_F(VaultDamage, ATruncatedOrMissingObjectIsFound) {
  for (const std::string& name : names("")) {
    const Bytes original = store.get(name).value();
    for (int i = 0; i < 4; ++i) {
      store.replace(name, Bytes(original.begin(),
                                original.begin() +
                                    static_cast<std::ptrdiff_t>(i == 0 ? 0 : random.below(original.size()))));
      EXPECT_FALSE(use_everything().empty()) << name;
    }
    ASSERT_TRUE(store.remove(name).ok());
    // Without an index nothing is lost: the packs describe themselves.
    EXPECT_EQ(use_everything().empty(), name.starts_with("index/")) << name;
    ASSERT_TRUE(store.put(name, original).ok());
  }
}

TEST_F(VaultDamage, ATrailerThatLiesAboutLengthsIsRefused) {
  // An index segment ends with two u64 (offset and length of its footer), a pack with two u32, then 8 fixed
  // bytes.
  const auto lie_in = [&](const std::string& name, std::size_t from_end, std::uint64_t first,
                          std::uint64_t second) {
    const Bytes original = store.get(name).value();
    Bytes damaged = original;
    std::byte* at = damaged.data() + damaged.size() - from_end;
    if (from_end == 24) store_le<std::uint64_t>(at, first);
    if (from_end == 24) store_le<std::uint64_t>(at + 8, second);
    if (from_end == 16) store_le<std::uint32_t>(at, static_cast<std::uint32_t>(first));
    if (from_end == 16) store_le<std::uint32_t>(at + 4, static_cast<std::uint32_t>(second));
    store.replace(name, damaged);
    EXPECT_THAT(use_everything(), Contains(HasSubstr(name))) << first << " " << second;
    store.replace(name, original);
  };
  for (const auto& [prefix, from_end] : {std::pair("index/", 24U), std::pair("data/", 16U)}) {
    const std::string name = names(prefix).at(0);
    const std::uint64_t size = store.size(name).value();
    lie_in(name, from_end, 0, 0);
    lie_in(name, from_end, size, UINT64_MAX - 23);  // adds up when the sum wraps around
    lie_in(name, from_end, size - from_end, 0);
    lie_in(name, from_end, UINT64_MAX, UINT64_MAX);
    lie_in(name, from_end, header_bytes, size);
  }
}

TEST_F(VaultDamage, ObjectsCannotBeSwapped) {
  for (const char* prefix : {"data/", "tree/", "index/", "points/"}) {
    const auto both = names(prefix);
    ASSERT_GE(both.size(), 2U);
    const Bytes first = store.get(both[0]).value();
    const Bytes second = store.get(both[1]).value();
    store.replace(both[0], second);
    store.replace(both[1], first);
    EXPECT_THAT(use_everything(), Contains(HasSubstr("authentication"))) << prefix;
    store.replace(both[0], first);
    store.replace(both[1], second);
  }
  EXPECT_TRUE(use_everything().empty());
}

TEST_F(VaultDamage, TheCheckNamesThePointsThatAreHitAndOnlyThose) {
  // The last data pack holds what only p2 has.
  auto vault = Vault::open(store, test_secret()).value();
  for (const std::string& name : names("data/")) {
    const Bytes original = store.get(name).value();
    Bytes damaged = original;
    damaged[header_bytes + 10] ^= std::byte{1};
    store.replace(name, damaged);
    EXPECT_TRUE(vault->check(CheckLevel::structure).value().clean());  // it reads no data
    const auto problems = vault->check(CheckLevel::data).value().problems;
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_THAT(problems[0].what, HasSubstr(name));
    auto fresh = Vault::open(store, test_secret()).value();
    for (const char* point : {"p1", "p2"}) {
      const bool restores = machine.compare(*fresh, point).ok();
      EXPECT_EQ(testing::Value(problems[0].points, Contains(point)), !restores) << name << " " << point;
    }
    store.replace(name, original);
  }
}

TEST_F(VaultDamage, ADamagedIndexCostsSpaceButNoBackup) {
  for (const std::string& name : names("index/")) {
    Bytes damaged = store.get(name).value();
    damaged[damaged.size() / 2] ^= std::byte{1};
    store.replace(name, damaged);
  }
  auto vault = Vault::open(store, test_secret()).value();
  machine.disk("d").put(0, random.bytes(mib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p3", "p2")));
  EXPECT_TRUE(succeeds(machine.compare(*vault, "p3")));
}

TEST_F(VaultDamage, AFullBackupHealsWhatAMissingPackHadLost) {
  const auto packs = names("data/");
  for (const std::string& name : packs) ASSERT_TRUE(store.remove(name).ok());
  auto vault = Vault::open(store, test_secret()).value();
  EXPECT_FALSE(machine.compare(*vault, "p2").ok());
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "p3")));
  EXPECT_TRUE(succeeds(machine.compare(*vault, "p3")));
}

TEST(VaultSecrets, AWrongSecretIsRefusedWithASentenceAndAnAddedOneOpens) {
  const PasswordCost cheap{.passes = 1, .memory_kib = 64};
  MemoryStore store;
  auto vault = Vault::create(store, VaultSecret::passphrase("correct horse", cheap)).value();
  ASSERT_TRUE(Vault::open(store, VaultSecret::passphrase("correct horse")).ok());
  const auto wrong = Vault::open(store, VaultSecret::passphrase("correct horsf"));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(wrong.error().message(), HasSubstr("this passphrase does not open the vault"));
  EXPECT_THAT(Vault::open(store, test_secret()).error().message(), HasSubstr("key file"));

  const auto directory = TemporaryDirectory::make().value();
  SystemRandom random;
  ASSERT_TRUE(VaultSecret::make_key_file(directory.path() / "key", random).ok());
  EXPECT_EQ(VaultSecret::make_key_file(directory.path() / "key", random).error().code(),
            ErrorCode::already_exists);
  const VaultSecret from_file = VaultSecret::from_key_file(directory.path() / "key").value();
  ASSERT_TRUE(vault->add_secret(from_file).ok());
  EXPECT_TRUE(Vault::open(store, from_file).ok());
  EXPECT_TRUE(Vault::open(store, VaultSecret::passphrase("correct horse")).ok());
  ASSERT_TRUE(write_file_atomically(directory.path() / "bad", std::string_view("not hex")).ok());
  EXPECT_EQ(VaultSecret::from_key_file(directory.path() / "bad").error().code(), ErrorCode::invalid_argument);
}

TEST(VaultSecrets, RefusesAnEmptyPassphraseAnAbsentVaultAndASecondOne) {
  MemoryStore store;
  EXPECT_EQ(Vault::create(store, VaultSecret::passphrase("")).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(Vault::open(store, test_secret()).error().code(), ErrorCode::not_found);
  ASSERT_TRUE(Vault::create(store, test_secret()).ok());
  EXPECT_EQ(Vault::create(store, test_secret()).error().code(), ErrorCode::already_exists);
}

// Whoever has the keys could still write nonsense: the parsers refuse it without reading or allocating
// beyond.
TEST(VaultParsers, TakeAnyBytesWithoutHarm) {
  SeededRandom random(13);
  const VaultKeys keys(AeadKey{});
  TreePage page;
  for (int i = 0; i < 50; ++i)
    page.children[random.below(page_children)] = {keys.chunk_id(random.bytes(8)), {}};
  VaultPoint point{RecoveryPointId("p"),   MachineId("m"), Time{}, RecoveryPointId(),
                   {{DiskId("d"), 5, {}}}, "{}",           {}};
  const std::vector<Bytes> sound{encode_page(page), encode_point(point), encode_frame(Bytes(1000), 1, 1),
                                 encode_frame(random.bytes(1000), 1, 1)};
  ASSERT_TRUE(decode_page(sound[0]).ok());
  ASSERT_TRUE(decode_point(sound[1]).ok());
  ASSERT_TRUE(decode_frame(sound[2]).ok());
  ASSERT_TRUE(decode_frame(sound[3]).ok());
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = sound[random.below(sound.size())];
    for (std::uint64_t k = 1 + random.below(4); k > 0; --k) {
      bytes[random.below(bytes.size())] =
          static_cast<std::byte>(random.below(4) == 0 ? 255 : random.below(256));
    }
    if (random.below(4) == 0) bytes.resize(random.below(bytes.size()));
    if (auto decoded = decode_page(bytes); decoded.ok()) {
      EXPECT_LE(encode_page(*decoded).size(), bytes.size());
    }
    if (auto decoded = decode_point(bytes); decoded.ok()) {
      EXPECT_EQ(encode_point(*decoded).size(), bytes.size());
    }
    if (auto decoded = decode_frame(bytes); decoded.ok()) {
      EXPECT_LE(decoded->size(), longest_payload);
    }
  }
}

TEST(VaultParsers, RefuseLengthsThatExceedWhatIsThere) {
  Bytes frame = encode_frame(Bytes(1000), 1, 1);
  store_le<std::uint32_t>(frame.data() + 4, UINT32_MAX);
  EXPECT_EQ(decode_frame(frame).error().code(), ErrorCode::corrupt);
  store_le<std::uint32_t>(frame.data() + 4, 999);
  EXPECT_EQ(decode_frame(frame).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(decode_frame({}).error().code(), ErrorCode::corrupt);
  Bytes point = encode_point({RecoveryPointId("p"), MachineId("m"), Time{}, RecoveryPointId(), {}, "", {}});
  store_le<std::uint32_t>(point.data(), UINT32_MAX);
  EXPECT_EQ(decode_point(point).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(decode_page({}).error().code(), ErrorCode::corrupt);
}

}  // namespace
}  // namespace rekindle
