// For tests of collections: a vault in memory with two points of one machine, and a clock moved by hand.
#pragma once

#include "vault/vault_fixture.h"

namespace rekindle {

constexpr std::chrono::days grace{14};
constexpr CollectOptions collecting{.grace = grace, .thin_percent = 0};
constexpr CollectOptions compacting{.grace = grace};

class Garbage : public testing::Test {
 protected:
  Garbage() {
    machine.disk("d", 4 * mib).put(0, sample_bytes(random, 3 * mib));
    CHECK(machine.back_up(*vault, "p1").ok());
    machine.disk("d").put(mib, sample_bytes(random, 2 * mib));
    CHECK(machine.back_up(*vault, "p2", "p1").ok());
  }
  CollectReport collect(CollectOptions options = collecting) { return vault->collect(options).value(); }
  std::size_t count(std::string_view prefix) { return store.list(prefix).value().size(); }
  void remove(const char* point) { ASSERT_TRUE(vault->remove_point(RecoveryPointId(point)).ok()); }

  SeededRandom random{5};
  ManualClock clock{Time(std::chrono::days(20000))};
  MemoryStore store{clock};
  std::unique_ptr<Vault> vault = Vault::create(store, test_secret()).value();
  TestMachine machine{"vm-1"};
};

}  // namespace rekindle
