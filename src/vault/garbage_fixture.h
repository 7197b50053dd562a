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
  // Point q1 of `thin`, removed, and q2, for which of every 32 chunks only the first `kept` are still q1's.
  void make_thin(TestMachine& thin, std::uint64_t kept) {
    thin.disk("d", 8 * mib).put(0, sample_bytes(random, 8 * mib));
    ASSERT_TRUE(succeeds(thin.back_up(*vault, "q1")));
    for (std::uint64_t at = 0; at < 8 * mib; at += 32 * chunk_bytes) {
      thin.disk("d").put(at + kept * chunk_bytes, sample_bytes(random, (32 - kept) * chunk_bytes));
    }
    ASSERT_TRUE(succeeds(thin.back_up(*vault, "q2", "q1")));
    remove("q1");
  }
  void remove(const char* point) { ASSERT_TRUE(vault->remove_point(RecoveryPointId(point)).ok()); }

  SeededRandom random{5};
  ManualClock clock{Time(std::chrono::days(20000))};
  MemoryStore store{clock};
  std::unique_ptr<Vault> vault = Vault::create(store, test_secret()).value();
  TestMachine machine{"vm-1"};
};

}  // namespace rekindle
