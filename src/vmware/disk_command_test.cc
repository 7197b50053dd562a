// With commands of a shell, and with nbdkit.
#include "vmware/disk_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/process.h"

namespace rekindle {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

class DiskCommandTest : public testing::Test {
 protected:
  static constexpr std::uint64_t size = 4 * mib;
  // Folders of our own to count: other tests run beside this one.
  void SetUp() override { ::setenv("TMPDIR", folder.path().c_str(), 1); }
  void TearDown() override { ::unsetenv("TMPDIR"); }

  DiskAddress address() const {
    return {"vc.example.com", 443,     "backup@vsphere.local", "pass 'word'",
            "ab12",           "vm-57", "[ds 1] web/web.vmdk",  size};
  }
  std::filesystem::path noted() const { return folder.path() / "noted"; }
  std::string script(const std::string& text) const {
    const auto path = folder.path() / "command";
    EXPECT_TRUE(write_file_atomically(path, text).ok());
    return fmt::format("sh '{}' {{socket}} {}", path.string(), noted().string());
  }
  Result<std::unique_ptr<BlockTarget>> open(const std::string& command) const {
    DiskCommandOptions options;
    options.command = command;
    options.start_patience = milliseconds(3000);
    options.end_patience = milliseconds(2000);
    options.thumbprint_sha1 = [] { return Result<std::string>("AA:BB"); };
    return open_by_command(address(), options);
  }
  Error refused(const std::string& command) const {
    auto opened = open(command);
    EXPECT_FALSE(opened.ok());
    return opened.ok() ? Error(ErrorCode::internal, "") : opened.error();
  }
  static std::size_t disk_folders() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path()))
      count += entry.path().filename().string().starts_with("rekindle-disk") ? 1U : 0U;
    return count;
  }
  // The processes whose command line names our folder.
  bool anybody_lives() const {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const pid_t pid = std::atoi(entry.path().filename().c_str());
      if (pid != ::getpid() && process_lives(pid, folder.path().string())) return true;
    }
    return false;
  }

  TemporaryDirectory folder = TemporaryDirectory::make("command").value();
};

#define REQUIRE_NBDKIT()                          \
  if (!run_process({"nbdkit", "--version"}).ok()) \
  GTEST_SKIP() << "NOT TESTED: nbdkit is missing: apt-get install nbdkit"

TEST_F(DiskCommandTest, RefusesALineThatCannotWork) {
  EXPECT_TRUE(check_disk_command("nbdkit --unix {socket} x={file} {\"a\": 1}").ok());
  EXPECT_THAT(check_disk_command("nbdkit vddk").error().message(), HasSubstr("{socket}"));
  EXPECT_THAT(check_disk_command("x {socket} {sockte}").error().message(),
              HasSubstr("{sockte} is not known"));
  EXPECT_THAT(check_disk_command("x {socket} {sockte}").error().message(), HasSubstr("{thumbprint_sha1}"));
  EXPECT_THAT(check_disk_command("x {socket} 'y").error().message(), HasSubstr("not closed"));
  EXPECT_EQ(check_disk_command("").error().code(), ErrorCode::invalid_argument);
}

TEST_F(DiskCommandTest, FillsInWordsThatStayWords) {
  const auto tool = folder.path() / "tell";
  ASSERT_TRUE(
      write_file_atomically(tool, "for word; do echo \"<$word>\" >> " + noted().string() + "; done\n").ok());
  const Error why =
      refused("sh " + tool.string() +
              " {host}:{port} \"a {user}\" {file} vm=moref={vm} {thumbprint} {thumbprint_sha1} '' "
              "back\\ slash {not known}");
  EXPECT_EQ(why.code(), ErrorCode::failed_precondition);
  EXPECT_EQ(
      read_text_file(noted()).value(),
      "<vc.example.com:443>\n<a backup@vsphere.local>\n<[ds 1] web/web.vmdk>\n<vm=moref=vm-57>\n<ab12>\n"
      "<AA:BB>\n<>\n<back slash>\n<{not>\n<known}>\n");
}

TEST_F(DiskCommandTest, WritesWhatTheCommandServesAndEndsIt) {
  REQUIRE_NBDKIT();
  const std::size_t before = disk_folders();
  const auto file = folder.path() / "disk";
  ASSERT_TRUE(File::open(file, File::Mode::create)->resize(size).ok());
  {
    auto opened = open("nbdkit --foreground --unix {socket} file " + file.string());
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_TRUE((*opened)->write_at(mib, Bytes(64 * kib, std::byte{7})).ok());
    EXPECT_TRUE((*opened)->flush().ok());
    EXPECT_TRUE(anybody_lives());
    EXPECT_EQ(disk_folders(), before + 1);
  }
  EXPECT_FALSE(anybody_lives());
  EXPECT_EQ(disk_folders(), before);
  Bytes bytes(64 * kib);
  ASSERT_TRUE(File::open(file, File::Mode::read)->read_at(mib, bytes).ok());
  EXPECT_EQ(bytes, Bytes(64 * kib, std::byte{7}));
}

TEST_F(DiskCommandTest, GivesThePasswordInAFileThatIsOnNoDisk) {
  REQUIRE_NBDKIT();
  auto opened =
      open(script("cat \"$3\" > \"$2\"; echo \"$3\" > \"$2.name\"; exec nbdkit -f --unix \"$1\" memory 4M") +
           " {password_file}");
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  EXPECT_EQ(read_text_file(noted()).value(), "pass 'word'");
  const auto name = read_text_file(noted().string() + ".name").value();
  EXPECT_TRUE(name.starts_with("/proc/")) << name;
  EXPECT_TRUE(read_text_file(name.substr(0, name.size() - 1)).ok());
  opened->reset();
  EXPECT_FALSE(read_text_file(name.substr(0, name.size() - 1)).ok());
}

TEST_F(DiskCommandTest, SaysWhyTheCommandEnded) {
  const std::size_t before = disk_folders();
  const Error why = refused(script("echo 'VixDiskLib: the file is locked' >&2; exit 4"));
  EXPECT_EQ(why.code(), ErrorCode::failed_precondition);
  EXPECT_THAT(why.message(), HasSubstr("status 4"));
  EXPECT_THAT(why.message(), HasSubstr("VixDiskLib: the file is locked"));
  EXPECT_THAT(why.message(), HasSubstr("--disk-command"));
  EXPECT_THAT(why.message(), Not(HasSubstr("pass 'word'")));
  EXPECT_EQ(disk_folders(), before);
  EXPECT_EQ(refused("no-such-program {socket}").code(), ErrorCode::not_found);
  EXPECT_THAT(refused(script("exit 0")).message(), HasSubstr("foreground"));
}

TEST_F(DiskCommandTest, DoesNotWaitForEverAndEndsWhatHangs) {
  const Error why = refused(script("trap '' TERM; echo 'still connecting'; sleep 1000 & wait"));
  EXPECT_EQ(why.code(), ErrorCode::unavailable);
  EXPECT_THAT(why.message(), HasSubstr("still connecting"));
  EXPECT_FALSE(anybody_lives());
}

TEST_F(DiskCommandTest, ACommandThatHangsInTheHandshakeIsEndedToo) {
  const std::string hangs =
      "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); "
      "time.sleep(99)";
  EXPECT_EQ(refused(fmt::format("python3 -c '{}' {{socket}}", hangs)).code(), ErrorCode::unavailable);
}

TEST_F(DiskCommandTest, RefusesADiskOfAnotherSize) {
  REQUIRE_NBDKIT();
  const Error why = refused("nbdkit -f --unix {socket} memory 5M");
  EXPECT_EQ(why.code(), ErrorCode::failed_precondition);
  EXPECT_THAT(why.message(), HasSubstr("another disk"));
  EXPECT_EQ(refused("nbdkit -f --readonly --unix {socket} memory 4M").code(), ErrorCode::failed_precondition);
}

TEST_F(DiskCommandTest, SaysWhatTheCommandSaidWhenItDiesInTheMiddle) {
  REQUIRE_NBDKIT();
  auto opened =
      open(script("nbdkit -f --unix \"$1\" memory 4M & echo $! > \"$2\"; wait; "
                  "echo 'lost the host' >&2; exit 5"));
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  ASSERT_TRUE((*opened)->write_at(0, Bytes(512)).ok());
  kill_process(std::atoi(read_text_file(noted())->c_str()));
  const Result<> lost = (*opened)->write_at(0, Bytes(512));
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(lost.error().message(), HasSubstr("status 5 (lost the host)"));
  EXPECT_THAT(lost.error().message(), HasSubstr("writing 512 bytes at 0"));
}

TEST_F(DiskCommandTest, PassesOnARefusalWithTheCommandsWords) {
  REQUIRE_NBDKIT();
  auto opened =
      open("nbdkit -f --unix {socket} --filter=error memory 4M error-pwrite=ENOSPC error-pwrite-rate=1");
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const Result<> full = (*opened)->write_at(0, Bytes(512));
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(full.error().message(), HasSubstr("the disk command says"));
}

}  // namespace
}  // namespace rekindle
