// The instances of the local region as machines that are frozen and read.
#include "aws/aws_instances.h"

#include "contract/aws_site_contract.h"

namespace rekindle {
namespace {

// A boot sector that counts for ever: each number goes to sector 3072 of the first disk and, after that, to
// sector 5120 of the second. When both have the first one, it writes "W" to the serial port.
//           xor eax,eax; mov ds,ax; mov ss,ax; mov sp,0x7c00; mov [0x7e00],eax
//   next:   inc dword [0x7e00]
//           mov dl,0x80; mov si,first; call put; mov dl,0x81; mov si,second; call put
//           cmp dword [0x7e00],1; jne next; mov dx,0x3f8; mov al,'W'; out dx,al; jmp next
//   put:    mov ax,0x4300; int 0x13; ret
//   first:  db 16,0; dw 1,0x7e00,0; dq 3072        second: db 16,0; dw 1,0x7e00,0; dq 5120
constexpr const char* counting_sector =
    "6631c08ed88ed0bc007c66a3007e66ff06007eb280be397ce81800b281be497ce8100066833e007e0175e3baf803b057eeebdbb8"
    "0043cd13c310000100007e0000000c00000000000010000100007e00000014000000000000";
constexpr std::uint64_t first_block = 3, second_block = 5;

class AwsInstancesContract : public AwsSiteContract {
 protected:
  void SetUp() override {
    AwsSiteContract::SetUp();
    site = make_site("secret", "ours");
    boot = make_boot_image();
    data = make_image("data", std::nullopt, {{second_block, 0}});
  }

  ImageId make_boot_image() {
    const Bytes code = from_hex(counting_sector).value();
    Bytes sector(image_block_bytes);
    copy_bytes(code, sector);
    sector[510] = std::byte{0x55};
    sector[511] = std::byte{0xaa};
    const ImageId id = site->start_image({1 * gib, {}, "", "boot", {{token_tag, "boot"}}}).value();
    const auto writer = site->open_writer(id).value();
    EXPECT_TRUE(writer->put_block(0, sector).ok());
    EXPECT_TRUE(writer->complete().ok());
    return id;
  }

  MachineId launch(const ImageId& root) {
    TemplateSpec machine;
    machine.name = "rekindle-counting";
    machine.disks = {{root, ""}, {data, ""}};
    LaunchSpec spec;
    spec.image_template = site->register_template(machine).value();
    spec.instance_type = "t3.small";
    spec.subnet_id = network.subnet_id;
    spec.disks = 2;
    spec.token = "counting";
    spec.tags = {{token_tag, "counting"}, {"Name", "counting"}};
    return MachineId(site->launch(spec).value().str());
  }
  void wait_until_it_writes(const MachineId& id) {
    for (int i = 0; i < 600; ++i) {
      const auto console = site->console_output(InstanceId(id.str()));
      if (console.ok() && console->find('W') != std::string::npos) return;
      clock.sleep(std::chrono::milliseconds(100));
    }
    FAIL() << "the guest does not write";
  }

  AwsInstances& instances() { return site->instances(); }
  std::vector<std::uint64_t> changed_blocks(const MachineSnapshot& snapshot, std::size_t disk,
                                            const ImageId& since) {
    std::vector<std::uint64_t> indexes;
    const auto areas = instances().changed_areas(snapshot, snapshot.disks.at(disk).disk, since.str());
    EXPECT_TRUE(areas.ok()) << areas.error().message();
    for (const Extent& area : *areas) {
      for (std::uint64_t at = area.offset; at < area.offset + area.length; at += image_block_bytes)
        indexes.push_back(at / image_block_bytes);
    }
    return indexes;
  }
  std::uint32_t number_at(const MachineSnapshot& snapshot, std::size_t disk, std::uint64_t index) {
    Bytes sector(512);
    const auto source = instances().open_disk(snapshot, snapshot.disks.at(disk).disk);
    EXPECT_TRUE(source.ok() && (*source)->read_at(index * image_block_bytes, sector).ok());
    return load_le<std::uint32_t>(sector.data());
  }

  ImageId boot;
  ImageId data;
};

TEST_F(AwsInstancesContract, FreezesAllVolumesAtOneInstantAndKnowsWhatChanged) {
  const MachineId id = launch(boot);
  wait_until_it_writes(id);
  const auto machine = instances().machine(id);
  ASSERT_TRUE(machine.ok()) << machine.error().message();
  EXPECT_EQ(machine->name, "counting");
  EXPECT_EQ(machine->power, PowerState::on);
  ASSERT_EQ(machine->disks.size(), 2U);
  std::uint32_t before = 0;
  std::vector<ImageId> since = {boot, data};
  for (const char* name : {"point-1", "point-2", "point-3"}) {
    const auto snapshot = instances().create_snapshot(id, name);
    ASSERT_TRUE(snapshot.ok()) << snapshot.error().message();
    ASSERT_EQ(snapshot->disks.size(), 2U);
    EXPECT_EQ(changed_blocks(*snapshot, 0, since[0]), (std::vector<std::uint64_t>{first_block}));
    EXPECT_EQ(changed_blocks(*snapshot, 1, since[1]), (std::vector<std::uint64_t>{second_block}));
    const std::uint32_t first = number_at(*snapshot, 0, first_block);
    const std::uint32_t second = number_at(*snapshot, 1, second_block);
    EXPECT_GT(second, before) << "it goes on writing";
    EXPECT_GE(first, second) << "a write that came later is there, the one before it is not";
    EXPECT_LE(first, second + 1) << "one of the volumes was frozen earlier";
    before = first;
    since = {ImageId(snapshot->disks[0].change_id), ImageId(snapshot->disks[1].change_id)};
  }
  EXPECT_EQ(instances().snapshots(id)->size(), 3U);
  EXPECT_EQ(instances().create_snapshot(id, "point-1")->disks.at(0).change_id,
            instances().find_snapshot(id, MachineSnapshotId("point-1"))->disks.at(0).change_id)
      << "a retry makes no second one";
  EXPECT_TRUE(instances().remove_snapshot(id, MachineSnapshotId("point-1")).ok());
  EXPECT_EQ(instances().find_snapshot(id, MachineSnapshotId("point-1")).error().code(), ErrorCode::not_found);
}

// The DR copy may have been converted at failover: the AMI is of a child of what the vault knows.
TEST_F(AwsInstancesContract, KnowsWhatChangedSinceAnAncestorOfTheLaunchedImage) {
  const ImageId child = make_image("converted", boot, {{9, 7}});
  const MachineId id = launch(child);
  wait_until_it_writes(id);
  ASSERT_TRUE(site->stop(InstanceId(id.str())).ok());
  while (instances().machine(id)->power != PowerState::off) clock.sleep(std::chrono::milliseconds(100));
  const auto snapshot = instances().create_snapshot(id, "stopped");
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message();
  EXPECT_EQ(changed_blocks(*snapshot, 0, boot), (std::vector<std::uint64_t>{first_block, 9}));
  EXPECT_EQ(changed_blocks(*snapshot, 0, child), (std::vector<std::uint64_t>{first_block}));
  EXPECT_EQ(block(ImageId(snapshot->disks.at(0).change_id), 9), pattern(7));
  const auto unrelated = instances().changed_areas(*snapshot, snapshot->disks[0].disk, data.str());
  ASSERT_FALSE(unrelated.ok());
  EXPECT_EQ(unrelated.error().code(), ErrorCode::failed_precondition) << unrelated.error().message();
  ASSERT_TRUE(site->start(InstanceId(id.str())).ok());
  while (!site->passes_site_checks(InstanceId(id.str())).value()) clock.sleep(std::chrono::milliseconds(50));
  EXPECT_EQ(instances().machine(id)->power, PowerState::on);
}

}  // namespace
}  // namespace rekindle
