#include "jobs/audit.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "site/memory_site.h"

namespace rekindle {
namespace {

class AuditTest : public testing::Test {
 protected:
  ImageId image(const std::string& token) {
    return site.start_image({1 * mib, {}, "", token, {{token_tag, token}}}).value();
  }
  void list(const std::string& token, const std::string& id, const std::string& used_by,
            const std::string& job = "job-over") {
    LedgerEntry entry;
    entry.token = token;
    entry.site = "account";
    entry.job_id = JobId(job);
    ASSERT_TRUE(catalog->intend(entry).ok());
    if (!id.empty()) {
      ASSERT_TRUE(catalog->mark_exists(token, id).ok());
    }
    if (!used_by.empty()) {
      ASSERT_TRUE(catalog->mark_used(token, used_by).ok());
    }
  }
  Audit audit() { return audit_account(*catalog, site, "account").value(); }
  OwnedState state_of(const ImageId& id) {
    for (const AuditedObject& one : audit().objects) {
      if (one.object.id == id.str()) return one.state;
    }
    ADD_FAILURE() << id.str() << " is not in the audit";
    return OwnedState::orphan;
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock clock;
  MemorySite site;
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", clock).value();
};

TEST_F(AuditTest, TellsWhatIsUsedWhatWaitsAndWhatNobodyKnows) {
  const ImageId used = image("a");
  list("a", used.str(), "dr_copy:1");
  const ImageId waiting = image("b");
  list("b", waiting.str(), "");
  const ImageId orphan = image("c");
  const ImageId second = image("d");  // the ledger knows another of this token
  list("d", "image-other", "dr_copy:2");
  const Job job = catalog->create_job(JobKind::replicate, "web", {}, "choose").value();
  const ImageId working = image("e");
  list("e", working.str(), "", job.id.str());
  const ImageId made_unseen = image("f");  // its answer was lost
  list("f", "", "");
  EXPECT_EQ(state_of(used), OwnedState::used);
  EXPECT_EQ(state_of(waiting), OwnedState::waiting);
  EXPECT_EQ(state_of(orphan), OwnedState::orphan);
  EXPECT_EQ(state_of(second), OwnedState::orphan);
  EXPECT_EQ(state_of(working), OwnedState::working);
  EXPECT_EQ(state_of(made_unseen), OwnedState::waiting);
  EXPECT_EQ(audit().orphans(), 2U);
  ASSERT_EQ(audit().lost.size(), 1U) << "image-other is listed, used, and not there";
  EXPECT_EQ(audit().lost[0].object_id, "image-other");
}

TEST_F(AuditTest, WhatWasReleasedAndIsThereAllTheSameIsAnOrphan) {
  const ImageId id = image("a");
  list("a", id.str(), "");
  ASSERT_TRUE(catalog->mark_released("a").ok());
  EXPECT_EQ(state_of(id), OwnedState::orphan);
}

TEST_F(AuditTest, WhatAnotherNameOfTheAccountListsIsNoOrphan) {
  const ImageId id = image("a");
  list("a", id.str(), "dr_copy:1");
  const Audit other = audit_account(*catalog, site, "the same account by another name").value();
  EXPECT_EQ(other.orphans(), 0U);
  EXPECT_TRUE(other.lost.empty());
}

TEST_F(AuditTest, RemovesOrphansAndNothingElse) {
  const ImageId used = image("a");
  list("a", used.str(), "dr_copy:1");
  const ImageId orphan = image("b");
  TemplateSpec spec;
  spec.name = "b-template";
  spec.disks = {{orphan, ""}};
  spec.tags = {{token_tag, "b-template"}};
  const TemplateId holds_it = site.register_template(spec).value();
  LaunchSpec launch;
  launch.image_template = holds_it;
  launch.token = "b-instance";
  launch.tags = {{token_tag, "b-instance"}};
  ASSERT_TRUE(site.launch(launch).ok());
  ASSERT_EQ(audit().orphans(), 3U);
  ASSERT_TRUE(remove_orphans(site, clock, audit()).ok());
  EXPECT_EQ(audit().orphans(), 0U);
  EXPECT_EQ(site.image_count(), 1U);
  EXPECT_TRUE(site.image(used).ok());
}

TEST_F(AuditTest, GoesOnAfterOneThatCannotBeRemoved) {
  image("a");
  image("b");
  int refused = 0;
  site.set_fault([&](std::string_view method, bool) -> Result<> {
    if (method != "remove_image" || refused++ > 0) return {};
    return error(ErrorCode::permission_denied, "no");
  });
  EXPECT_EQ(remove_orphans(site, clock, audit()).error().code(), ErrorCode::permission_denied);
  EXPECT_EQ(audit().orphans(), 1U);
}

}  // namespace
}  // namespace rekindle
