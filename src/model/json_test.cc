#include "model/json.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace rekindle {
namespace {

TEST(ModelJson, AMachineComesBackWhole) {
  Machine machine;
  machine.id = MachineId("5012");
  machine.name = "web";
  machine.firmware = Firmware::uefi;
  machine.power = PowerState::on;
  machine.disks = {{DiskId("6000C29"), "Hard disk 1", 1 * gib, 0, ""}};
  machine.nics = {{"Network adapter 1", "00:50:56:00:00:01", "VM Network", "vmxnet3"}};
  const auto back = parse_json<Machine>(nlohmann::json(machine).dump()).value();
  EXPECT_EQ(nlohmann::json(back), nlohmann::json(machine));
  EXPECT_EQ(back.firmware, Firmware::uefi);
  EXPECT_EQ(back.disks[0].id.str(), "6000C29");
}

TEST(ModelJson, AMachineKeepsItsHardwareAndOneOfAnEarlierVersionHasNone) {
  Machine machine;
  machine.hardware_version = "vmx-19";
  machine.bios_uuid = "564d0000-0000-4000-8000-000000000001";
  machine.secure_boot = true;
  machine.cores_per_socket = 2;
  machine.disks = {{DiskId("a"), "Hard disk 1", 1 * gib, 0, "", "pvscsi", 1, 3}};
  const auto back = parse_json<Machine>(nlohmann::json(machine).dump()).value();
  EXPECT_EQ(back.hardware_version, "vmx-19");
  EXPECT_EQ(back.bios_uuid, machine.bios_uuid);
  EXPECT_TRUE(back.secure_boot);
  EXPECT_EQ(back.cores_per_socket, 2);
  EXPECT_EQ(back.disks[0].controller, "pvscsi");
  EXPECT_EQ(back.disks[0].bus, 1);
  EXPECT_EQ(back.disks[0].unit, 3);
  const auto earlier = parse_json<Machine>(R"({"name":"web","disks":[{"id":"a"}]})").value();
  EXPECT_TRUE(earlier.hardware_version.empty());
  EXPECT_TRUE(earlier.disks.at(0).controller.empty());
}

TEST(ModelJson, AJobComesBackWhole) {
  Job job;
  job.id = JobId("j1");
  job.kind = JobKind::failover;
  job.state = JobState::cleaning;
  job.error_code = ErrorCode::exhausted;
  job.data["images"] = {"snap-1"};
  job.timings = {{"convert", from_iso8601("2026-11-22T00:00:00.001Z").value(), 12}};
  const auto back = parse_json<Job>(nlohmann::json(job).dump()).value();
  EXPECT_EQ(nlohmann::json(back), nlohmann::json(job));
}

TEST(ModelJson, ADrCopyKeepsWhatIsDamaged) {
  DrCopy copy;
  copy.id = "copy-1";
  copy.damaged = {{DiskId("disk-b"), 4, 2, from_iso8601("2026-11-22T00:00:00.001Z").value()}};
  const auto back = parse_json<DrCopy>(nlohmann::json(copy).dump()).value();
  ASSERT_EQ(back.damaged.size(), 1U);
  EXPECT_EQ(back.damaged[0].disk_id, DiskId("disk-b"));
  EXPECT_EQ(back.damaged[0].block, 4U);
  EXPECT_EQ(back.damaged[0].blocks, 2U);
  EXPECT_EQ(back.damaged[0].found, copy.damaged[0].found);
  EXPECT_TRUE(parse_json<DrCopy>(R"({"id":"of an earlier version"})").value().damaged.empty());
}

TEST(ModelJson, AnAccountOfAnEarlierVersionHasAnAccessKey) {
  const auto account =
      parse_json<Account>(
          R"({"name":"a","region":"r","access_key_id":"AKIA","sealed_secret_access_key":"x"})")
          .value();
  EXPECT_EQ(account.credentials, CredentialKind::access_key);
  EXPECT_TRUE(account.role_arn.empty());
}

TEST(ModelJson, AbsentFieldsAreDefaultsAndWrongOnesAreErrors) {
  EXPECT_EQ(parse_json<DrPlan>(R"({"name":"p"})").value().health_check_seconds, 300);
  EXPECT_EQ(parse_json<DrPlan>(R"({"name":3})").error().code(), ErrorCode::corrupt);
  EXPECT_EQ(parse_json<DrPlan>("{").error().code(), ErrorCode::corrupt);
  EXPECT_EQ(parse_json<RecoveryPoint>(R"({"time":"noon"})").error().code(), ErrorCode::corrupt);
}

}  // namespace
}  // namespace rekindle
