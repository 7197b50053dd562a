// The server against the clients that people will use, and against one who means no good.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/process.h"
#include "base/random.h"
#include "disk/file_disk.h"
#include "disk/memory_disk.h"
#include "disk/scratch_disk.h"
#include "nbd/protocol.h"
#include "nbd/server.h"

namespace rekindle::nbd {
namespace {

using testing::HasSubstr;

// Cannot be read between 1 and 2 MiB.
class DamagedDisk final : public BlockSource {
 public:
  explicit DamagedDisk(BlockSource& base) : base_(base) {}
  std::uint64_t size() const override { return base_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
    if (offset < 2 * mib && offset + bytes.size() > mib)
      return error(ErrorCode::corrupt, "damaged on purpose");
    return base_.read_at(offset, bytes);
  }

 private:
  BlockSource& base_;
};

class Nbd : public testing::Test {
 protected:
  Nbd() {
    SeededRandom random(5);
    const Bytes some = random.bytes(3 * mib);
    EXPECT_TRUE(disk.write_at(64 * kib, some).ok());
    EXPECT_TRUE(disk.write_at(40 * mib, ByteView(some).first(mib + 512)).ok());
    Address address;
    address.socket = path("socket");
    server = Server::start(address, {{"disk", "the disk", &scratch, &scratch},
                                     {"original", "", &disk, nullptr},
                                     {"damaged", "", &damaged, nullptr}})
                 .value();
  }
  std::filesystem::path path(const char* name) const { return directory.path() / name; }
  std::string uri(std::size_t number) const { return server->uri(server->exports()[number]); }

  TemporaryDirectory directory = TemporaryDirectory::make("nbd").value();
  MemoryDisk disk{48 * mib};
  std::unique_ptr<FileDisk> written = FileDisk::create(path("scratch"), 48 * mib).value();
  ScratchDisk scratch{disk, *written};
  DamagedDisk damaged{disk};
  std::unique_ptr<Server> server;
};

bool is_installed(const std::string& program) {
  const auto answer = run_process({program, "--version"});
  return answer.ok() && answer->exit_status == 0;
}

#define REQUIRE_PEER(program, package) \
  if (!is_installed(program)) GTEST_SKIP() << (program) << " is missing: apt-get install " << (package)

TEST_F(Nbd, QemuCopiesTheDiskAndFindsItEqual) {
  REQUIRE_PEER("qemu-img", "qemu-utils");
  const auto info = run_tool({"qemu-img", "info", uri(0)});
  ASSERT_TRUE(info.ok()) << info.error().message();
  EXPECT_THAT(*info, HasSubstr("48 MiB"));
  const auto copied = run_tool({"qemu-img", "convert", "-O", "raw", uri(0), path("copy").string()});
  ASSERT_TRUE(copied.ok()) << copied.error().message();
  EXPECT_EQ(read_file(path("copy")).value(), disk.content());
  const auto same = run_tool({"qemu-img", "compare", uri(1), "-F", "raw", path("copy").string()});
  EXPECT_TRUE(same.ok()) << same.error().message();
}

TEST_F(Nbd, QemuSeesTheHoles) {
  REQUIRE_PEER("qemu-img", "qemu-utils");
  const auto map = run_tool({"qemu-img", "map", "--output=json", uri(0)}).value();
  EXPECT_THAT(map, HasSubstr(R"("start": 3211264, "length": 38731776)"));
  EXPECT_THAT(map, HasSubstr(R"("zero": true)"));
}

TEST_F(Nbd, QemuWritesTrimsAndZeroesAndTheOriginalStays) {
  REQUIRE_PEER("qemu-io", "qemu-utils");
  const Bytes before = disk.content();
  const auto done = run_process({"qemu-io",
                                 "-f",
                                 "raw",
                                 "-c",
                                 "write -P 7 1000 5000",
                                 "-c",
                                 "write -z 1M 64k",
                                 "-c",
                                 "discard 2M 4k",
                                 "-c",
                                 "flush",
                                 "-c",
                                 "read -P 7 1000 5000",
                                 "-c",
                                 "read -P 0 1M 64k",
                                 "-c",
                                 "write -f -P 9 40M 512",
                                 "-c",
                                 "read -P 9 40M 512",
                                 uri(0)});
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->exit_status, 0) << done->out << done->err;
  EXPECT_THAT(done->out, testing::Not(HasSubstr("fail")));
  EXPECT_EQ(disk.content(), before);
  Bytes got(1);
  ASSERT_TRUE(scratch.read_at(40 * mib + 511, got).ok());
  EXPECT_EQ(got[0], std::byte{9});
  const auto refused = run_process({"qemu-io", "-f", "raw", "-c", "write 0 512", uri(1)}).value();
  EXPECT_NE(refused.exit_status, 0) << "a read-only export was written to";
}

TEST_F(Nbd, LibnbdListsAndCopiesWithSeveralConnections) {
  REQUIRE_PEER("nbdinfo", "libnbd-bin");
  const auto list = run_tool({"nbdinfo", "--list", "nbd+unix:///?socket=" + path("socket").string()});
  ASSERT_TRUE(list.ok()) << list.error().message();
  for (const char* word : {"disk", "original", "damaged", "base:allocation", "can_multi_conn: true"})
    EXPECT_THAT(*list, HasSubstr(word));
  const auto copied = run_tool({"nbdcopy", "--connections=4", uri(1), path("copy").string()});
  ASSERT_TRUE(copied.ok()) << copied.error().message();
  EXPECT_EQ(read_file(path("copy")).value(), disk.content());
  Bytes other(48 * mib, std::byte{3});
  ASSERT_TRUE(write_file_atomically(path("other"), ByteView(other)).ok());
  const auto put = run_tool({"nbdcopy", "--connections=4", "--flush", path("other").string(), uri(0)});
  ASSERT_TRUE(put.ok()) << put.error().message();
  Bytes now(other.size());
  ASSERT_TRUE(scratch.read_at(0, now).ok());
  EXPECT_EQ(now, other);
}

TEST_F(Nbd, ADamagedPlaceIsAnErrorOfThatReadAndTheConnectionLives) {
  REQUIRE_PEER("qemu-io", "qemu-utils");
  const auto done =
      run_process({"qemu-io", "-r", "-f", "raw", "-c", "read 1M 4k", "-c", "read 3M 4k", uri(2)});
  ASSERT_TRUE(done.ok());
  EXPECT_THAT(done->out + done->err, HasSubstr("Input/output error"));
  EXPECT_THAT(done->out, HasSubstr("read 4096/4096 bytes at offset 3145728"));
}

TEST_F(Nbd, ServesTcpOnThisComputerOnly) {
  REQUIRE_PEER("qemu-img", "qemu-utils");
  const auto tcp = Server::start({}, {{"a b", "", &disk, nullptr}}).value();
  const std::string address = tcp->uri(tcp->exports()[0]);
  EXPECT_EQ(address, fmt::format("nbd://127.0.0.1:{}/a%20b", tcp->address().port));
  const auto info = run_tool({"qemu-img", "info", address});
  EXPECT_TRUE(info.ok()) << info.error().message();
  Address taken;
  taken.port = tcp->address().port;
  EXPECT_FALSE(Server::start(taken, {{"d", "", &disk, nullptr}}).ok());
  EXPECT_THAT(Server::start({"", "nowhere", 0}, {{"d", "", &disk, nullptr}}).error().message(),
              HasSubstr("no IPv4 address"));
}

TEST_F(Nbd, ASocketFileIsTakenOverOnlyFromTheDead) {
  Address address;
  address.socket = path("socket");
  EXPECT_EQ(Server::start(address, {{"d", "", &disk, nullptr}}).error().code(), ErrorCode::already_exists);
  ASSERT_TRUE(write_file_atomically(path("file"), "mine").ok());
  address.socket = path("file");
  EXPECT_EQ(Server::start(address, {{"d", "", &disk, nullptr}}).error().code(), ErrorCode::already_exists);
  EXPECT_EQ(read_text_file(path("file")).value(), "mine");
  address.socket = path("dead");
  {
    const int made = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::ranges::copy(address.socket.string(), name.sun_path);
    ASSERT_EQ(::bind(made, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    ::close(made);
  }
  EXPECT_TRUE(Server::start(address, {{"d", "", &disk, nullptr}}).ok());
  EXPECT_FALSE(std::filesystem::exists(address.socket)) << "removed at the end";
}

// Speaks the protocol by hand.
class Client {
 public:
  explicit Client(const std::filesystem::path& socket) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::ranges::copy(socket.string(), name.sun_path);
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    connection = std::make_unique<Connection>(std::move(fd));
    EXPECT_TRUE(connection->skip(18).ok());
  }
  void send(const Message& message) { (void)connection->send(message.bytes()).ok(); }
  void enter(const std::string& name) {
    Message message;
    message.number<std::uint32_t>(3).number(option_magic).number<std::uint32_t>(1);
    send(message.number(static_cast<std::uint32_t>(name.size())).text(name));
    EXPECT_TRUE(connection->skip(10).ok());
  }
  void request(Command command, std::uint64_t offset, std::uint32_t length, std::uint16_t flags = 0) {
    Message message;
    message.number(request_magic).number(flags).number(static_cast<std::uint16_t>(command));
    send(message.number<std::uint64_t>(77).number(offset).number(length));
  }
  // The error of a simple reply.
  std::uint32_t reply() {
    EXPECT_EQ(connection->receive_number<std::uint32_t>().value(), simple_reply_magic);
    const auto code = connection->receive_number<std::uint32_t>().value();
    EXPECT_EQ(connection->receive_number<std::uint64_t>().value(), 77U);
    return code;
  }
  bool hung_up() { return !connection->receive_number<std::uint8_t>().ok(); }

  std::unique_ptr<Connection> connection;
};

TEST_F(Nbd, RefusesRequestsThatCannotBeAndGoesOn) {
  Client client(path("socket"));
  client.enter("original");
  const auto refused = [&](Command command, std::uint64_t offset, std::uint32_t length,
                           std::uint16_t flags = 0) {
    client.request(command, offset, length, flags);
    return client.reply();
  };
  EXPECT_EQ(refused(Command::read, 48 * mib, 1), 22U);
  EXPECT_EQ(refused(Command::read, 48 * mib - 1, 2), 22U);
  EXPECT_EQ(refused(Command::read, UINT64_MAX, 2), 22U);
  EXPECT_EQ(refused(Command::read, 0, 0), 22U);
  EXPECT_EQ(refused(Command::read, 0, longest_request + 1), 22U);
  EXPECT_EQ(refused(Command::read, 0, 1, 0x8000), 22U);
  EXPECT_EQ(refused(Command::trim, 0, 4096), 1U);
  EXPECT_EQ(refused(Command::write_zeroes, 0, 4096), 1U);
  EXPECT_EQ(refused(Command::block_status, 0, 4096), 22U) << "was not negotiated";
  EXPECT_EQ(refused(static_cast<Command>(99), 0, 1), 22U);
  client.request(Command::read, 48 * mib - 4, 4);
  EXPECT_EQ(client.reply(), 0U);
  EXPECT_TRUE(client.connection->skip(4).ok());
  EXPECT_EQ(refused(Command::cache, 0, 48 * mib), 0U);
  EXPECT_EQ(refused(Command::flush, 0, 0), 0U);
}

TEST_F(Nbd, HangsUpOnWhatIsNotTheProtocol) {
  {
    Client client(path("socket"));
    client.send(Message().number<std::uint32_t>(0xffff));
    EXPECT_TRUE(client.hung_up()) << "unknown flags";
  }
  {
    Client client(path("socket"));
    client.send(Message().number<std::uint32_t>(3).text("GET / HTTP/1.1\r\n\r\n"));
    EXPECT_TRUE(client.hung_up());
  }
  {
    Client client(path("socket"));
    client.send(Message().number<std::uint32_t>(3).number(option_magic).number(7U).number(UINT32_MAX));
    EXPECT_TRUE(client.hung_up()) << "an option of 4 GiB";
  }
  {
    Client client(path("socket"));
    client.enter("disk");
    client.request(Command::write, 0, longest_request + 1);
    EXPECT_TRUE(client.hung_up()) << "a write of more than 32 MiB";
  }
  {
    Client client(path("socket"));
    client.enter("disk");
    client.send(Message().zeros(28));
    EXPECT_TRUE(client.hung_up()) << "no request";
  }
}

TEST_F(Nbd, RefusesOptionsThatLieAboutTheirLengths) {
  Client client(path("socket"));
  client.send(Message().number<std::uint32_t>(3));
  const auto answer = [&](Option option, const Message& data) {
    Message message;
    message.number(option_magic).number(static_cast<std::uint32_t>(option));
    client.send(message.number(static_cast<std::uint32_t>(data.bytes().size())));
    client.send(data);
    EXPECT_TRUE(client.connection->skip(12).ok());
    const auto code = client.connection->receive_number<std::uint32_t>().value();
    EXPECT_TRUE(client.connection->skip(client.connection->receive_number<std::uint32_t>().value()).ok());
    return code;
  };
  const auto invalid = static_cast<std::uint32_t>(OptionReply::invalid);
  EXPECT_EQ(answer(Option::go, Message().number(UINT32_MAX).text("disk")), invalid);
  EXPECT_EQ(answer(Option::go, Message().number(4U).text("disk").number<std::uint16_t>(9)), invalid);
  EXPECT_EQ(answer(Option::go, Message()), invalid);
  EXPECT_EQ(answer(Option::structured_reply, Message().text("x")), invalid);
  EXPECT_EQ(answer(Option::set_meta_context, Message().number(0U).number(UINT32_MAX)), invalid);
  EXPECT_EQ(answer(static_cast<Option>(5), Message()), static_cast<std::uint32_t>(OptionReply::unsupported));
  EXPECT_EQ(answer(Option::list, Message().zeros(longest_option + 1)),
            static_cast<std::uint32_t>(OptionReply::too_big));
  EXPECT_EQ(answer(Option::go, Message().number(4U).text("nope").number<std::uint16_t>(0)),
            static_cast<std::uint32_t>(OptionReply::unknown));
  EXPECT_EQ(answer(Option::abort, Message()), static_cast<std::uint32_t>(OptionReply::ack));
}

TEST_F(Nbd, SurvivesAClientThatVanishesInTheMiddle) {
  for (int i = 0; i < 20; ++i) {
    Client client(path("socket"));
    client.enter("disk");
    for (int k = 0; k < 10; ++k) client.request(Command::read, 0, 8 * mib);  // and take no answer
    client.request(Command::write, 0, mib);                                  // and send no content
  }
  Client client(path("socket"));
  client.enter("disk");
  client.request(Command::read, 0, 1);
  EXPECT_EQ(client.reply(), 0U);
}

TEST_F(Nbd, EndsWhileClientsAreConnected) {
  Client idle(path("socket"));
  Client busy(path("socket"));
  busy.enter("disk");
  busy.request(Command::read, 0, 32 * mib);
  server.reset();
  EXPECT_TRUE(idle.hung_up());
}

TEST(NbdBytes, AnythingAtAllIsSurvived) {
  MemoryDisk disk(mib);
  const auto directory = TemporaryDirectory::make("nbd").value();
  Address address;
  address.socket = directory.path() / "s";
  const auto server = Server::start(address, {{"disk", "", &disk, &disk}}).value();
  SeededRandom random(9);
  for (int i = 0; i < 300; ++i) {
    Client client(address.socket);
    const std::uint64_t begin = random.below(3);
    if (begin == 0) client.send(Message().number<std::uint32_t>(3).number(option_magic));
    if (begin == 1) client.enter("disk");
    for (int k = 0; k < 5; ++k) {
      if (random.below(2) == 0)
        client.send(Message()
                        .number(request_magic)
                        .number<std::uint16_t>(0)
                        .number(static_cast<std::uint16_t>(random.below(9))));
      client.send(Message().text(as_text(random.bytes(random.below(64)))));
    }
  }
  Client client(address.socket);
  client.enter("disk");
  client.request(Command::read, 0, 1);
  EXPECT_EQ(client.reply(), 0U);
}

}  // namespace
}  // namespace rekindle::nbd
