#include <set>

#include "store/faulty_store.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

class VaultKeep : public testing::Test {
 protected:
  std::set<std::string> objects(const char* prefix) {
    std::set<std::string> names;
    for (const ObjectInfo& object : memory.list(prefix).value()) names.insert(object.name);
    return names;
  }

  MemoryStore memory;
  std::mutex mutex;
  std::set<std::string> kept;
  FaultyStore store{memory, [this](std::uint64_t, StoreCall call, std::string_view name) {
                      const std::lock_guard lock(mutex);
                      if (call == StoreCall::keep_until) kept.emplace(name);
                      return StoreFault::none;
                    }};
  SeededRandom random{5};
  TestMachine machine{"vm-1"};
};

TEST_F(VaultKeep, KeepsEveryObjectThatAListedPointNeedsAndNothingElse) {
  // Rotated before: without its chain of keys nobody could read anything.
  ASSERT_TRUE(succeeds(Vault::create(store, test_secret()).value()->rotate_key(test_secret())));
  const auto vault = Vault::open(store, test_secret()).value();
  machine.disk("disk-1", 4 * mib).content = sample_bytes(random, 4 * mib);
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "full")));
  machine.disk("disk-1").put(1 * mib, sample_bytes(random, 100 * kib));
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "incremental", "full")));
  TestMachine other("vm-2");
  other.disk("disk-1", 1 * mib).content = sample_bytes(random, 1 * mib);
  const auto before_other = objects("");
  ASSERT_TRUE(succeeds(other.back_up(*vault, "gone")));
  auto of_other = objects("points/");
  std::erase_if(of_other, [&](const std::string& name) { return before_other.contains(name); });
  ASSERT_EQ(of_other.size(), 1U);
  ASSERT_TRUE(succeeds(memory.remove(*of_other.begin())));

  const auto report = vault->keep_until(Time(std::chrono::days(365)));
  ASSERT_TRUE(succeeds(report));
  EXPECT_EQ(report->points, 2U);
  EXPECT_EQ(report->objects, kept.size());
  auto needed = before_other;
  std::erase_if(needed, [](const std::string& name) { return name.starts_with("index/"); });
  EXPECT_EQ(kept, needed);
  EXPECT_EQ(objects("epochs/").size(), 1U);
  EXPECT_GT(objects("data/").size(), 3U) << "several packs";
}

TEST_F(VaultKeep, SaysWhatItCannotKeep) {
  const auto vault = Vault::create(store, test_secret()).value();
  machine.disk("disk-1", 4 * mib).content = sample_bytes(random, 4 * mib);
  ASSERT_TRUE(succeeds(machine.back_up(*vault, "full")));
  for (const std::string& name : objects("tree/")) ASSERT_TRUE(succeeds(memory.remove(name)));
  const auto reopened = Vault::open(store, test_secret()).value();
  EXPECT_EQ(reopened->keep_until(Time(std::chrono::days(365))).error().code(), ErrorCode::corrupt);
  EXPECT_TRUE(kept.empty());
}

}  // namespace
}  // namespace rekindle
