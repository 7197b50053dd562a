#include "vmware/vmdk_descriptor.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

std::string with_extents(const std::string& extents) {
  return "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"vmfs\"\n" +
         extents + "\nddb.adapterType = \"lsilogic\"\n";
}

ErrorCode code_of(const std::string& text) {
  const auto parsed = parse_vmdk_descriptor(text);
  return parsed.ok() ? ErrorCode::already_exists : parsed.error().code();
}

TEST(VmdkDescriptor, ReadsAFlatDiskAsEsxiWritesIt) {
  const auto parsed = parse_vmdk_descriptor(
      "# Disk DescriptorFile\r\nversion=3\r\nencoding=\"UTF-8\"\r\nCID=7d1a3b22\r\nparentCID=ffffffff\r\n"
      "createType=\"vmfs\"\r\n\r\n# Extent description\r\nRW 83886080 VMFS \"my web-flat.vmdk\"\r\n\r\n"
      "# Change Tracking File\r\nchangeTrackPath=\"my web-ctk.vmdk\"\r\n# The Disk Data Base \r\n#DDB\r\n"
      "ddb.uuid = \"60 00 C2 9a\"\r\n");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  ASSERT_EQ(parsed->extents.size(), 1U);
  EXPECT_EQ(parsed->extents[0].file, "my web-flat.vmdk");
  EXPECT_EQ(parsed->size_bytes(), 40 * gib);
}

TEST(VmdkDescriptor, ReadsSeveralExtentsWithOffsetsAndZeros) {
  const auto parsed = parse_vmdk_descriptor(
      with_extents("RW 8 FLAT \"a-f001.vmdk\" 0\nRW 16 FLAT \"a-f001.vmdk\" 8\nRW 2 ZERO"));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  ASSERT_EQ(parsed->extents.size(), 3U);
  EXPECT_EQ(parsed->extents[1].file_offset_bytes, 4096U);
  EXPECT_EQ(parsed->extents[2].file, "");
  EXPECT_EQ(parsed->size_bytes(), 26U * 512);
}

TEST(VmdkDescriptor, SaysThatOtherKindsOfDisksNeedAnotherTransport) {
  EXPECT_EQ(code_of(with_extents("RW 8 VMFSSPARSE \"a-000001-delta.vmdk\"")), ErrorCode::failed_precondition);
  EXPECT_EQ(code_of(with_extents("RW 8 SESPARSE \"a-000001-sesparse.vmdk\"")),
            ErrorCode::failed_precondition);
  EXPECT_EQ(code_of(with_extents("RW 8 VMFSRDM \"a-rdm.vmdk\"")), ErrorCode::failed_precondition);
  EXPECT_EQ(code_of(with_extents("RW 8 VMFS \"vsan://5268a2b1\"")), ErrorCode::failed_precondition);
  EXPECT_EQ(code_of(with_extents("RW 8 VMFS \"/vmfs/volumes/x/a-flat.vmdk\"")),
            ErrorCode::failed_precondition);
  EXPECT_EQ(code_of("# Disk DescriptorFile\nparentCID = 7d1a3b22\nRW 8 VMFS \"a-flat.vmdk\"\n"),
            ErrorCode::failed_precondition);
}

TEST(VmdkDescriptor, DoubtsEverything) {
  const std::string flat = "RW 8 VMFS \"a-flat.vmdk\"\n";
  std::string many;
  for (int i = 0; i < 300; ++i) many += flat;
  for (const std::string& text :
       std::vector<std::string>{"",
                                "\n",
                                "KDMV\1",
                                "<html>Not found</html>",
                                with_extents(""),
                                with_extents("RW 0 VMFS \"a-flat.vmdk\""),
                                with_extents("RW -8 VMFS \"a-flat.vmdk\""),
                                with_extents("RW 18446744073709551615 VMFS \"a-flat.vmdk\""),
                                with_extents("RW 99999999999999999999999 VMFS \"a-flat.vmdk\""),
                                with_extents("RW 8x VMFS \"a-flat.vmdk\""),
                                with_extents("RW 8 VMFS"),
                                with_extents("RW 8 VMFS a-flat.vmdk"),
                                with_extents("RW 8 VMFS \""),
                                with_extents("RW 8 VMFS \"\""),
                                with_extents("RW 8 VMFS \"..\""),
                                with_extents("RW 8 VMFS \"../../etc/shadow\""),
                                with_extents("RW 8 VMFS \"..\\secret\""),
                                with_extents("RW 8 VMFS \"a\tb\""),
                                with_extents("RW 8 VMFS \"a-flat.vmdk\" -1"),
                                with_extents("RW 8 VMFS \"a-flat.vmdk\" 1 2"),
                                with_extents(many),
                                with_extents(flat + "RW 137438953472 VMFS \"b-flat.vmdk\""),
                                with_extents(std::string(70000, '#'))}) {
    EXPECT_EQ(code_of(text), ErrorCode::corrupt) << text.substr(0, 200);
  }
}

TEST(VmdkDescriptor, ToleratesWhatDoesNotMatter) {
  EXPECT_TRUE(
      parse_vmdk_descriptor(with_extents("  RW   8\tVMFS   \"a-flat.vmdk\"  \nunknown = key\n=\n==\n")).ok());
}

}  // namespace
}  // namespace rekindle
