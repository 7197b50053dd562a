// A vault that lost the machine as it left must not lose what it does in the account.
#include <gmock/gmock.h>

#include "recover/failback_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

class FailbackDamageTest : public FailbackTest {
 protected:
  // The content of all that is stored so far; not what says where it lies.
  void damage_the_vault() {
    const auto packs = store.list("data/").value();
    for (const ObjectInfo& pack : packs) {
      Bytes content = store.get(pack.name).value();
      for (std::size_t i = 64; i < content.size(); i += 100) content[i] ^= std::byte{1};
      store.replace(pack.name, std::move(content));
    }
    the_vault = Vault::open(store, VaultSecret::key(key)).value();  // without what it remembers
  }
  Job back_up_instance() {
    return run(instance_backup_procedure(site, *this),
               parameters_of(InstanceBackupRequest{"web", failover().id}));
  }
  Bytes piece(const RecoveryPoint& point, const char* disk, std::uint64_t offset) {
    const auto source = the_vault->open_disk(point.id, DiskId(disk)).value();
    Bytes content(64 * kib);
    EXPECT_TRUE(source->read_at(offset, content).ok());
    return content;
  }
};

TEST_F(FailbackDamageTest, WhatTheInstanceWroteIsStoredAllTheSame) {
  live_in_the_account();
  damage_the_vault();
  write_in_the_account();
  const Job job = back_up_instance();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const std::string why = job.data.at("undone").value("not_undone", "");
  EXPECT_THAT(why, HasSubstr("the vault is damaged"));
  EXPECT_THAT(why, HasSubstr("rekindle vault check vault --data"));
  const Bytes now = site.instance_disk(instance(), 1);
  const auto written = now.begin() + static_cast<std::ptrdiff_t>(1 * mib);
  EXPECT_TRUE(piece(newest_point(), "disk-b", 1 * mib) == Bytes(written, written + 64 * kib));
}

// Told so it is not refused any more; that the disks need what is damaged here, too, is another matter, and
// the machine goes on where it is.
TEST_F(FailbackDamageTest, ItIsRefusedUnlessToldAsItIsAndNeverLost) {
  live_in_the_account();
  ASSERT_TRUE(site.power_off(id).ok());
  damage_the_vault();
  write_in_the_account();
  const Job refused = come_home();
  EXPECT_EQ(refused.state, JobState::failed);
  EXPECT_THAT(refused.error, HasSubstr("--as-it-is"));
  EXPECT_EQ(instance_state(), InstanceState::running);
  FailbackRequest request;
  request.as_it_is = true;
  const Job job = come_home(request);
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, testing::Not(HasSubstr("--as-it-is")));
  EXPECT_THAT(job.error, HasSubstr("is damaged"));
  EXPECT_EQ(instance_state(), InstanceState::running);
}

}  // namespace
}  // namespace rekindle
