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
  const MasterKeys stolen = open_keys(store, old)->masters;
  const std::string old_name = store.list("keys/").value().at(0).name;
  const Bytes old_wrap = store.get(old_name).value();
  ASSERT_TRUE(first->rotate_key(fresh).ok());
  ASSERT_TRUE(back_up(*Vault::open(store, fresh).value(), "after", std::byte{8}).ok());
  const std::string point = store.list("points/").value().at(0).name;
  EXPECT_EQ(open_object(VaultKeys(stolen), ObjectKind::point, point, store.get(point).value()).error().code(),
            ErrorCode::corrupt);
  ASSERT_TRUE(store.put(old_name, old_wrap).ok());  // as where a retention lock kept it
  const auto opened = Vault::open(store, old);
  EXPECT_EQ(opened.error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(opened.error().message().find("vault key use"), std::string::npos) << opened.error().message();
}

// What others wrote under the new key must not look damaged to it.
TEST_F(KeyRingTest, AProcessThatMissedARotationNeitherRepairsNorRemoves) {
  const auto late = Vault::create(store, old).value();
  ASSERT_TRUE(Vault::open(store, old).value()->rotate_key(fresh).ok());
  ASSERT_TRUE(back_up(*Vault::open(store, fresh).value(), "after", std::byte{8}).ok());
  const std::size_t objects = store.list("").value().size();
  EXPECT_EQ(late->repair({}).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(late->check(CheckLevel::data).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(late->remove_point(RecoveryPointId("after")).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(late->add_secret(old).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(late->rotate_key(old).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(store.list("").value().size(), objects);
  EXPECT_EQ(restored(*Vault::open(store, fresh).value(), "after"), std::byte{8});
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

TEST_F(KeyRingTest, SecretsComeAndGoButNotTheOneInUse) {
  const auto vault = Vault::create(store, old).value();
  const std::string first = vault->list_secrets()->at(0).id;
  ASSERT_TRUE(vault->add_secret(fresh).ok());
  EXPECT_EQ(vault->list_secrets()->size(), 2U);
  EXPECT_FALSE(vault->list_secrets()->at(0).passphrase);
  EXPECT_EQ(vault->remove_secret(first).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(vault->remove_secret("none").error().code(), ErrorCode::not_found);
  ASSERT_TRUE(Vault::open(store, fresh).value()->remove_secret(first).ok());
  EXPECT_EQ(Vault::open(store, old).error().code(), ErrorCode::unauthenticated);
  EXPECT_TRUE(Vault::open(store, fresh).ok());
}

// Killed at each call: the vault opens with the old secret or the new one, reads everything, and rotates
// again.
TEST_F(KeyRingTest, ARotationThatDiesAnywhereLosesNothing) {
  for (std::uint64_t dies_at = 0;; ++dies_at) {
    MemoryStore inner;
    ASSERT_TRUE(back_up(*Vault::create(inner, old).value(), "before", std::byte{7}).ok());
    const MasterKeys masters = open_keys(inner, old)->masters;
    FaultyStore dying(inner, [&](std::uint64_t number, StoreCall, std::string_view) {
      return number == dies_at ? StoreFault::dead : StoreFault::none;
    });
    SystemRandom random;
    const bool done = rotate_key(dying, masters, fresh, random).ok();
    auto vault = Vault::open(inner, old);  // what a home knows that did not hear of the rotation
    if (!vault.ok()) vault = Vault::open(inner, fresh);
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
