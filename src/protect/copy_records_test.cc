#include "protect/copy_records.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "model/json.h"

namespace rekindle {
namespace {

Job job_with(const std::vector<DrCopyDisk>& disks) {
  DrCopy old_copy;
  old_copy.disks = {{DiskId("boot"), ImageId("image-1"), 4 * mib},
                    {DiskId("data"), ImageId("image-2"), 4 * mib},
                    {DiskId("gone"), ImageId("image-3"), 4 * mib}};
  old_copy.overlay.push_back({});
  DrCopy copy;
  copy.disks = disks;
  Job job;
  job.data["old_copy"] = old_copy;
  job.data["copy"] = copy;
  return job;
}

std::set<DiskId> anew(const Job& job) {
  return job.data.value("anew", std::set<DiskId>());
}

TEST(CopyRecords, DisksThatAreWhatTheyWereHaveParents) {
  Job job = job_with({{DiskId("boot"), ImageId(), 4 * mib}, {DiskId("data"), ImageId(), 4 * mib}});
  EXPECT_EQ(parent_of(copy_of(job), 0, base_copy_of(job)), ImageId("image-1"));
  EXPECT_EQ(parent_of(copy_of(job), 1, base_copy_of(job)), ImageId("image-2"));
  EXPECT_EQ(parent_of(copy_of(job), 0, std::nullopt), std::nullopt);
  begin_parentless_anew(job);
  EXPECT_EQ(anew(job), std::set<DiskId>());
}

TEST(CopyRecords, DisksThatGrewOrAreNewBeginAnew) {
  Job job = job_with({{DiskId("boot"), ImageId(), 4 * mib},
                      {DiskId("data"), ImageId(), 8 * mib},
                      {DiskId("new"), ImageId(), 4 * mib}});
  begin_parentless_anew(job);
  EXPECT_EQ(anew(job), (std::set{DiskId("data"), DiskId("new")}));
  EXPECT_EQ(parent_of(copy_of(job), 0, base_copy_of(job)), ImageId("image-1"));
  EXPECT_FALSE(base_copy_of(job)->overlay.empty());
}

TEST(CopyRecords, ADiskThatWasTheBootDiskBeginsAnew) {
  Job job = job_with({{DiskId("data"), ImageId(), 4 * mib}, {DiskId("boot"), ImageId(), 4 * mib}});
  begin_parentless_anew(job);
  EXPECT_EQ(anew(job), (std::set{DiskId("boot")}));
  EXPECT_EQ(parent_of(copy_of(job), 0, base_copy_of(job)), ImageId("image-2"));
  EXPECT_TRUE(base_copy_of(job)->overlay.empty()) << "it is of a disk that is no parent";
}

}  // namespace
}  // namespace rekindle
