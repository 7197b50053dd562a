#include "catalog/catalog.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/process.h"

namespace rekindle {
namespace {

class CatalogTest : public testing::Test {
 protected:
  std::unique_ptr<Catalog> open() { return Catalog::open(directory_.path() / "catalog.db", clock_).value(); }

  TemporaryDirectory directory_ = TemporaryDirectory::make().value();
  ManualClock clock_{from_iso8601("2026-11-22T00:00:00Z").value()};
  std::unique_ptr<Catalog> catalog_ = open();
};

TEST_F(CatalogTest, KeepsRecordsAcrossAReopening) {
  ASSERT_TRUE(catalog_->put(Datacenter{"dc1", "https://h", "root", "", "ab", ""}).ok());
  ASSERT_TRUE(catalog_->put(Datacenter{"dc1", "https://other", "root", "", "ab", ""}).ok());
  catalog_.reset();
  catalog_ = open();
  EXPECT_EQ(catalog_->get<Datacenter>("dc1")->url, "https://other");
  EXPECT_EQ(catalog_->list<Datacenter>()->size(), 1U);
  const auto missing = catalog_->get<Datacenter>("dc2");
  EXPECT_EQ(missing.error().message(), "there is no datacenter 'dc2'; known: dc1");
  ASSERT_TRUE(catalog_->remove<Datacenter>("dc1").ok());
  EXPECT_EQ(catalog_->remove<Datacenter>("dc1").error().code(), ErrorCode::not_found);
}

TEST_F(CatalogTest, ListsBySubjectInTheOrderOfFirstPut) {
  for (const char* id : {"b", "a", "c"}) {
    DrCopy copy;
    copy.id = id;
    copy.machine = std::string(id) == "c" ? "db" : "web";
    ASSERT_TRUE(catalog_->put(copy).ok());
  }
  const auto copies = catalog_->list<DrCopy>("web").value();
  ASSERT_EQ(copies.size(), 2U);
  EXPECT_EQ(copies[0].id, "b");
}

TEST_F(CatalogTest, ATransactionTakesEffectWholeOrNotAtAll) {
  const auto failed = catalog_->transaction([&]() -> Result<> {
    TRY(catalog_->put(Datacenter{"dc1", "", "", "", "", ""}));
    return error(ErrorCode::cancelled, "no");
  });
  EXPECT_EQ(failed.error().message(), "no");
  EXPECT_TRUE(catalog_->list<Datacenter>()->empty());
}

TEST_F(CatalogTest, OneUnfinishedJobPerSubjectAndSide) {
  Job backup = catalog_->create_job(JobKind::backup, "web", {}, "prepare").value();
  const auto second = catalog_->create_job(JobKind::backup, "web", {}, "prepare");
  EXPECT_EQ(second.error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(second.error().message().find(backup.id.str()), std::string::npos);
  EXPECT_TRUE(catalog_->create_job(JobKind::replicate, "web", {}, "choose").ok());
  EXPECT_EQ(catalog_->create_job(JobKind::failover, "web", {}, "check").error().code(),
            ErrorCode::failed_precondition);

  backup = catalog_->claim_job(backup.id, process_owner()).value();
  backup.state = JobState::succeeded;
  ASSERT_TRUE(catalog_->save_job(backup).ok());
  EXPECT_TRUE(catalog_->create_job(JobKind::backup, "web", {}, "prepare").ok());
}

TEST_F(CatalogTest, ALeaseIsTakenOverOnlyFromADeadProcessAndTheOldOwnerCanSaveNoMore) {
  const JobId id = catalog_->create_job(JobKind::backup, "web", {}, "prepare")->id;
  Job old_view = catalog_->claim_job(id, "another-machine/boot/1/2").value();
  EXPECT_EQ(catalog_->claim_job(id, process_owner()).error().code(), ErrorCode::unavailable);

  const JobId second = catalog_->create_job(JobKind::backup, "db", {}, "prepare")->id;
  const std::string self = process_owner();
  const std::string here = self.substr(0, self.find('/', self.find('/') + 1));  // machine and boot
  const std::string dead = here + "/999999999/1";
  old_view = catalog_->claim_job(second, dead).value();
  Job mine = catalog_->claim_job(second, self).value();
  mine.step = "read";
  EXPECT_TRUE(catalog_->save_job(mine).ok());
  EXPECT_EQ(catalog_->save_job(old_view).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(catalog_->job(second)->step, "read");
}

TEST_F(CatalogTest, TheLastJobIsFoundByKindAndParameterHoweverManyCameSince) {
  const auto make = [&](JobKind kind, const nlohmann::json& parameters) {
    Job job = catalog_->create_job(kind, "web", parameters, "first").value();
    job = catalog_->claim_job(job.id, process_owner()).value();
    job.state = JobState::succeeded;
    EXPECT_TRUE(catalog_->save_job(job).ok());
    return job.id;
  };
  make(JobKind::replicate, {{"plan", "one"}});
  const JobId wanted = make(JobKind::replicate, {{"plan", "one"}});
  make(JobKind::replicate, {{"plan", "two"}});
  make(JobKind::replicate, {{"plan", "one"}, {"point", "point-1"}});
  for (int i = 0; i < 30; ++i) make(JobKind::backup, {{"vault", "one"}, {"plan", "one"}});
  const auto found = catalog_->last_job("web", JobKind::replicate, "plan", "one").value();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->id, wanted);
  EXPECT_FALSE(catalog_->last_job("db", JobKind::replicate, "plan", "one")->has_value());
  EXPECT_FALSE(catalog_->last_job("web", JobKind::replicate, "plan", "three")->has_value());
}

TEST_F(CatalogTest, OneThreadOfAProcessHoldsAJob) {
  const JobId id = catalog_->create_job(JobKind::backup, "web", {}, "prepare")->id;
  auto hold = catalog_->hold_job(id).value();
  EXPECT_EQ(catalog_->hold_job(id).error().code(), ErrorCode::unavailable);
  hold.reset();
  EXPECT_TRUE(catalog_->hold_job(id).ok());
}

TEST_F(CatalogTest, CancelIsSeenByTheOwnerAndRefusedWhenOver) {
  Job job = catalog_->create_job(JobKind::backup, "web", {}, "prepare").value();
  ASSERT_TRUE(catalog_->request_cancel(job.id).ok());
  EXPECT_TRUE(catalog_->job(job.id)->cancel_requested);
  job = catalog_->claim_job(job.id, process_owner()).value();
  job.state = JobState::cancelled;
  ASSERT_TRUE(catalog_->save_job(job).ok());
  EXPECT_EQ(catalog_->request_cancel(job.id).error().code(), ErrorCode::failed_precondition);
}

TEST_F(CatalogTest, TheLedgerFollowsAResourceFromIntentToRelease) {
  LedgerEntry entry;
  entry.token = "job-1/disk-0";
  entry.site = "aws1";
  entry.kind = ResourceKind::image;
  ASSERT_TRUE(catalog_->intend(entry).ok());
  ASSERT_TRUE(catalog_->mark_exists(entry.token, "snap-1").ok());
  ASSERT_TRUE(catalog_->intend(entry).ok()) << "a second intent of the same token changes nothing";
  EXPECT_EQ(catalog_->ledger_entry(entry.token)->object_id, "snap-1");
  ASSERT_TRUE(catalog_->mark_used(entry.token, "dr_copy:1").ok());
  EXPECT_EQ(catalog_->ledger()->at(0).in_use_by, "dr_copy:1");
  ASSERT_TRUE(catalog_->release_uses("dr_copy:2").ok());
  EXPECT_EQ(catalog_->ledger()->at(0).in_use_by, "dr_copy:1");
  ASSERT_TRUE(catalog_->release_uses("dr_copy:1").ok());
  EXPECT_EQ(catalog_->ledger()->at(0).in_use_by, "");
  ASSERT_TRUE(catalog_->mark_released(entry.token).ok());
  EXPECT_TRUE(catalog_->ledger()->empty());
  EXPECT_EQ(catalog_->ledger(true)->size(), 1U);
  EXPECT_EQ(catalog_->mark_released("unknown").error().code(), ErrorCode::not_found);
}

TEST_F(CatalogTest, TwoProcessesViewsOfOneFileAgree) {
  auto other = open();
  ASSERT_TRUE(catalog_->put(Datacenter{"dc1", "", "", "", "", ""}).ok());
  EXPECT_TRUE(other->get<Datacenter>("dc1").ok());
}

TEST_F(CatalogTest, RefusesAFileThatIsNoCatalog) {
  ASSERT_TRUE(write_file_atomically(directory_.path() / "broken.db", std::string(8192, 'x')).ok());
  EXPECT_EQ(Catalog::open(directory_.path() / "broken.db", clock_).error().code(), ErrorCode::corrupt);
}

TEST(Owner, LivesAsLongAsItsProcess) {
  EXPECT_TRUE(owner_lives(process_owner()));
  EXPECT_FALSE(owner_lives(""));
  auto directory = TemporaryDirectory::make().value();
  const std::string self = process_owner();
  EXPECT_FALSE(owner_lives(self + "0")) << "same pid, other start time";
  const auto slash = self.find('/');
  EXPECT_TRUE(owner_lives("another" + self)) << "of another machine: nobody here can tell";
  EXPECT_FALSE(owner_lives(self.substr(0, slash) + "/another" + self.substr(slash + 1)))
      << "of an earlier boot";
}

}  // namespace
}  // namespace rekindle
