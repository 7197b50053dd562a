#include "vault/key_ring.h"

#include <gtest/gtest.h>

#include "store/faulty_store.h"
#include "store/memory_store.h"
#include "vault/vault.h"

namespace rekindle {
namespace {

VaultSecret key(std::byte fill) {
  AeadKey bytes{};
  bytes.fill(fill);
  return VaultSecret::key(bytes);
}

class KeyRingTest : public testing::Test {
 protected:
  // Writes one point of one chunk full of `fill`.
  static Result<> back_up(Vault& vault, const std::string& id, std::byte fill) {
    const auto writer =
        TRY(vault.begin_point({RecoveryPointId(id), MachineId("web"), {}, {{DiskId("a"), chunk_bytes}}}));
    TRY(writer->write(DiskId("a"), 0, Bytes(chunk_bytes, fill)));
    TRY(writer->commit(Time(), ""));
    return {};
  }
  static std::byte restored(Vault& vault, const std::string& id) {
    Bytes content(chunk_bytes);
    EXPECT_TRUE(vault.open_disk(RecoveryPointId(id), DiskId("a")).value()->read_at(0, content).ok());
    return content[7];
  }

  MemoryStore store;
  const VaultSecret old = key(std::byte{1});
  const VaultSecret fresh = key(std::byte{2});
};

TEST_F(KeyRingTest, ARotatedVaultReadsTheOldAndSealsTheNewUnderTheNewKey) {
  {
    const auto vault = Vault::create(store, old).value();
    ASSERT_TRUE(back_up(*vault, "before", std::byte{7}).ok());
    ASSERT_TRUE(vault->rotate_key(fresh).ok());
  }
  EXPECT_EQ(Vault::open(store, old).error().code(), ErrorCode::unauthenticated);
  const auto vault = Vault::open(store, fresh).value();
  EXPECT_EQ(restored(*vault, "before"), std::byte{7});
  const std::size_t objects = store.list("data/").value().size();
  ASSERT_TRUE(back_up(*vault, "same", std::byte{7}).ok());
  EXPECT_EQ(store.list("data/").value().size(), objects)
      << "content is known again: ids are of the first epoch";
  ASSERT_TRUE(back_up(*vault, "after", std::byte{8}).ok());
  EXPECT_EQ(restored(*vault, "after"), std::byte{8});
  EXPECT_TRUE(vault->check(CheckLevel::data)->clean());
}

TEST_F(KeyRingTest, WhoHoldsOnlyTheOldMasterKeyOpensNothingNew) {
  const auto first = Vault::create(store, old).value();
  const Bytes old_wrap = store.get(store.list("keys/").value().at(0).name).value();
  const std::string old_name = store.list("keys/").value().at(0).name;
  ASSERT_TRUE(first->rotate_key(fresh).ok());
  const auto vault = Vault::open(store, fresh).value();
  ASSERT_TRUE(back_up(*vault, "after", std::byte{8}).ok());
  ASSERT_TRUE(store.put(old_name, old_wrap).ok());  // a thief kept it
  const auto thief = Vault::open(store, old).value();
  const auto points = thief->list();
  ASSERT_FALSE(points.ok());
  EXPECT_NE(points.error().message().find("key epoch 2"), std::string::npos) << points.error().message();
}

TEST_F(KeyRingTest, RotatesManyTimes) {
  ASSERT_TRUE(back_up(*Vault::create(store, old).value(), "point-1", std::byte{1}).ok());
  for (std::uint8_t i = 2; i < 6; ++i) {
    const auto vault = Vault::open(store, i == 2 ? old : key(std::byte(i - 1))).value();
    ASSERT_TRUE(vault->rotate_key(key(std::byte{i})).ok());
    ASSERT_TRUE(
        back_up(*Vault::open(store, key(std::byte{i})).value(), fmt::format("point-{}", i), std::byte{i})
            .ok());
  }
  const auto vault = Vault::open(store, key(std::byte{5})).value();
  for (std::uint8_t i = 1; i < 6; ++i) EXPECT_EQ(restored(*vault, fmt::format("point-{}", i)), std::byte{i});
  EXPECT_EQ(vault->list_secrets()->size(), 1U);
  EXPECT_EQ(vault->list_secrets()->at(0).epoch, 5U);
}

TEST_F(KeyRingTest, SecretsComeAndGoButNotTheLast) {
  const auto vault = Vault::create(store, old).value();
  ASSERT_TRUE(vault->add_secret(fresh).ok());
  auto keys = vault->list_secrets().value();
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_FALSE(keys[0].passphrase);
  ASSERT_TRUE(vault->remove_secret(keys[0].id).ok());
  EXPECT_EQ(vault->remove_secret(keys[0].id).error().code(), ErrorCode::not_found);
  EXPECT_EQ(vault->remove_secret(keys[1].id).error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(Vault::open(store, old).ok(), Vault::open(store, fresh).ok()) << "exactly one is left";
}

// Killed at each call: the vault opens with the old secret or the new one, reads everything, and rotates
// again.
TEST_F(KeyRingTest, ARotationThatDiesAnywhereLosesNothing) {
  for (std::uint64_t dies_at = 0;; ++dies_at) {
    MemoryStore inner;
    ASSERT_TRUE(back_up(*Vault::create(inner, old).value(), "before", std::byte{7}).ok());
    const MasterKeys masters = open_keys(inner, old).value();
    FaultyStore dying(inner, [&](std::uint64_t number, StoreCall, std::string_view) {
      return number == dies_at ? StoreFault::dead : StoreFault::none;
    });
    SystemRandom random;
    const bool done = rotate_key(dying, masters, fresh, random).ok();
    auto vault = Vault::open(inner, fresh);
    if (!vault.ok()) vault = Vault::open(inner, old);
    ASSERT_TRUE(vault.ok()) << "died at call " << dies_at << ": " << vault.error().message();
    EXPECT_EQ(restored(**vault, "before"), std::byte{7});
    ASSERT_TRUE((*vault)->rotate_key(fresh).ok()) << "died at call " << dies_at;
    EXPECT_EQ(restored(*Vault::open(inner, fresh).value(), "before"), std::byte{7});
    if (done) break;
  }
}

TEST_F(KeyRingTest, ADamagedChainSaysWhichObject) {
  const auto vault = Vault::create(store, old).value();
  ASSERT_TRUE(vault->rotate_key(fresh).ok());
  const std::string name = store.list("epochs/").value().at(0).name;
  Bytes object = store.get(name).value();
  object[40] ^= std::byte{1};
  store.replace(name, object);
  const auto opened = Vault::open(store, fresh);
  EXPECT_EQ(opened.error().code(), ErrorCode::corrupt);
  EXPECT_NE(opened.error().message().find("epochs/"), std::string::npos);
}

}  // namespace
}  // namespace rekindle
