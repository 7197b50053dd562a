#include "cli/job_control.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

Job job(JobKind kind, const std::string& machine) {
  Job made;
  made.kind = kind;
  made.subject = machine;
  return made;
}

TEST(JobControl, ABackupOfAnInstanceThatIsComingHomeIsThatOfItsFailback) {
  const Job backup = job(JobKind::instance_backup, "web");
  EXPECT_TRUE(is_part_of_another(backup, {backup, job(JobKind::failback, "web")}));
  EXPECT_FALSE(is_part_of_another(backup, {backup, job(JobKind::failback, "db")}));
  EXPECT_FALSE(is_part_of_another(backup, {backup, job(JobKind::replicate, "web")}));
  EXPECT_FALSE(is_part_of_another(job(JobKind::failover_cleanup, "web"), {job(JobKind::failback, "web")}));
}

}  // namespace
}  // namespace rekindle
