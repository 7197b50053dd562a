// The promises of both contracts, on the fake that the rest of the product is tested with.
#include "site/memory_site.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

class MemorySiteTest : public testing::Test {
 protected:
  static constexpr std::uint64_t disk_bytes = 2 * mib;

  MemorySiteTest() {
    Machine machine;
    machine.id = id;
    machine.name = "web";
    machine.change_tracking = true;
    machine.disks = {{disk, "Hard disk 1", disk_bytes, 0, ""},
                     {DiskId("raw"), "Hard disk 2", disk_bytes, 1, "an independent disk"}};
    site.add_machine(machine);
  }

  MachineSnapshot freeze(const std::string& name = "frozen") {
    return site.create_snapshot(id, name).value();
  }
  Bytes content_of(const MachineSnapshot& snapshot) {
    const auto source = site.open_disk(snapshot, disk).value();
    Bytes content(source->size());
    EXPECT_TRUE(source->read_at(0, content).ok());
    return content;
  }
  // A complete image whose first block is full of `fill`.
  ImageId image(const std::string& token, std::byte fill, const std::optional<ImageId>& parent = {}) {
    const ImageId made = site.start_image({disk_bytes, parent, "", token, {{token_tag, token}}}).value();
    const auto writer = site.open_writer(made).value();
    EXPECT_TRUE(writer->put_block(0, Bytes(image_block_bytes, fill)).ok());
    EXPECT_TRUE(writer->complete().ok());
    return made;
  }
  TemplateId machine_template(const ImageId& boot, const std::string& name = "template") {
    return site.register_template({name, Firmware::bios, {{boot, ""}}, {{token_tag, name}}}).value();
  }
  InstanceId instance(const TemplateId& of, const std::string& token) {
    LaunchSpec spec;
    spec.image_template = of;
    spec.token = token;
    spec.tags = {{token_tag, token}};
    return site.launch(spec).value();
  }

  const MachineId id{"uuid-1"};
  const DiskId disk{"disk-a"};
  MemorySite site;
};

TEST_F(MemorySiteTest, AFrozenDiskStaysAsItWasWhileTheGuestWrites) {
  site.guest_writes(id, 0, 0, Bytes(10, std::byte{1}));
  const Bytes then = site.disk_content(id, 0);
  const MachineSnapshot snapshot = freeze();
  site.guest_writes(id, 0, 0, Bytes(10, std::byte{2}));
  EXPECT_EQ(content_of(snapshot), then);
  EXPECT_NE(site.disk_content(id, 0), then);
  ASSERT_EQ(snapshot.disks.size(), 1U) << "a disk that cannot be frozen is not in it";
}

TEST_F(MemorySiteTest, ASnapshotIsFoundByItsNameAndRemovedTwice) {
  const MachineSnapshot made = freeze("rekindle-job-1");
  const auto names = site.snapshots(id).value();
  ASSERT_EQ(names.size(), 1U);
  EXPECT_EQ(names[0].name, "rekindle-job-1");
  const MachineSnapshot found = site.find_snapshot(id, names[0].id).value();
  EXPECT_EQ(found.id, made.id);
  EXPECT_EQ(found.disks.at(0).change_id, made.disks.at(0).change_id);
  EXPECT_TRUE(site.remove_snapshot(id, made.id).ok());
  EXPECT_TRUE(site.remove_snapshot(id, made.id).ok()) << "absent is fine";
  EXPECT_EQ(site.find_snapshot(id, made.id).error().code(), ErrorCode::not_found);
}

TEST_F(MemorySiteTest, ChangedAreasAreASupersetOfWhatDiffers) {
  site.guest_writes(id, 0, mib, Bytes(100, std::byte{1}));
  const MachineSnapshot first = freeze("first");
  site.guest_writes(id, 0, 70 * kib, Bytes(10, std::byte{2}));
  const MachineSnapshot second = freeze("second");
  site.guest_writes(id, 0, 70 * kib,
                    Bytes(10, std::byte{3}));  // again, after the instant that is asked about
  const Extents areas = site.changed_areas(second, disk, first.disks[0].change_id).value();
  EXPECT_EQ(areas, (Extents{{64 * kib, 64 * kib}}))
      << "neither what was before, nor less than what is between";
}

TEST_F(MemorySiteTest, ForgottenChangesAreAnErrorThatSaysSo) {
  const MachineSnapshot first = freeze("first");
  site.reset_change_tracking(id);
  const MachineSnapshot second = freeze("second");
  const auto areas = site.changed_areas(second, disk, first.disks[0].change_id);
  EXPECT_EQ(areas.error().code(), ErrorCode::failed_precondition);
}

TEST_F(MemorySiteTest, AMachineThatIsGoneIsNotFound) {
  const MachineSnapshot snapshot = freeze();
  site.lose_machine(id);
  EXPECT_EQ(site.machine(id).error().code(), ErrorCode::not_found);
  EXPECT_EQ(site.open_disk(snapshot, disk).error().code(), ErrorCode::not_found);
}

TEST_F(MemorySiteTest, TheSameTokenIsTheSameObject) {
  const ImageId made = image("image", std::byte{1});
  EXPECT_EQ(site.start_image({disk_bytes, {}, "", "image", {}}).value(), made);
  const TemplateId registered = machine_template(made);
  EXPECT_EQ(machine_template(made), registered);
  const InstanceId launched = instance(registered, "instance");
  EXPECT_EQ(instance(registered, "instance"), launched);
  EXPECT_EQ(site.image_count(), 1U);
  EXPECT_EQ(site.template_count(), 1U);
  EXPECT_EQ(site.live_instance_count(), 1U);
}

TEST_F(MemorySiteTest, AChildHasTheBlocksOfItsParentAndOutlivesIt) {
  const ImageId parent = image("parent", std::byte{1});
  const ImageId child = site.start_image({disk_bytes, parent, "", "child", {}}).value();
  const auto writer = site.open_writer(child).value();
  ASSERT_TRUE(writer->put_block(1, Bytes(image_block_bytes, std::byte{2})).ok());
  ASSERT_TRUE(writer->complete().ok());
  ASSERT_TRUE(site.remove_image(parent).ok());
  const Bytes content = site.image_content(child);
  EXPECT_EQ(content[0], std::byte{1});
  EXPECT_EQ(content[image_block_bytes], std::byte{2});
  EXPECT_TRUE(all_zero(ByteView(content).subspan(2 * image_block_bytes)));
}

TEST_F(MemorySiteTest, AnImageOfATemplateStaysAndAnInstanceKeepsItsDisk) {
  const ImageId boot = image("boot", std::byte{7});
  const TemplateId registered = machine_template(boot);
  const InstanceId launched = instance(registered, "instance");
  EXPECT_EQ(site.remove_image(boot).error().code(), ErrorCode::failed_precondition);
  EXPECT_TRUE(site.remove_template(registered).ok());
  EXPECT_TRUE(site.remove_template(registered).ok()) << "absent is fine";
  EXPECT_TRUE(site.remove_image(boot).ok());
  EXPECT_TRUE(site.remove_image(boot).ok()) << "absent is fine";
  EXPECT_EQ(site.instance_disk(launched)[0], std::byte{7});
}

TEST_F(MemorySiteTest, ThingsAreFoundByAllTheirTagsAndTheDeadAreNot) {
  const ImageId boot = image("boot", std::byte{1});
  const InstanceId launched = instance(machine_template(boot), "instance");
  EXPECT_EQ(site.find_images({{token_tag, "boot"}})->size(), 1U);
  EXPECT_TRUE(site.find_images({{token_tag, "boot"}, {"other", "tag"}})->empty());
  EXPECT_EQ(site.find_templates({{token_tag, "template"}})->size(), 1U);
  EXPECT_EQ(site.find_instances({{token_tag, "instance"}})->size(), 1U);
  ASSERT_TRUE(site.terminate(launched).ok());
  EXPECT_TRUE(site.find_instances({{token_tag, "instance"}})->empty());
  EXPECT_EQ(site.instance(launched)->state, InstanceState::terminated);
  EXPECT_TRUE(site.terminate(launched).ok());
}

TEST_F(MemorySiteTest, ALostRequestMakesNothingAndALostAnswerMakesIt) {
  for (const bool lost_answer : {false, true}) {
    site.set_fault([&](std::string_view method, bool done) -> Result<> {
      const bool now = method == "start_image" && done == lost_answer;
      return now ? Result<>(error(ErrorCode::unavailable, "lost")) : Result<>();
    });
    EXPECT_EQ(site.start_image({disk_bytes, {}, "", "token", {}}).error().code(), ErrorCode::unavailable);
    site.set_fault({});
    EXPECT_EQ(site.image_count(), lost_answer ? 1U : 0U);
  }
}

}  // namespace
}  // namespace rekindle
