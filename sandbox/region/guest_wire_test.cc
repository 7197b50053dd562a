// A guest's end of the cable, frame by frame.
#include "sandbox/region/guest_wire.h"

#include <gtest/gtest.h>

namespace rekindle::sandbox {
namespace {

constexpr unsigned fin = 1, syn = 2, rst = 4, ack = 16;
constexpr std::uint32_t guest_address = 0x0a000519;  // 10.0.5.25

template <typename T>
void add(Bytes& to, T value) {
  Bytes bytes(sizeof(T));
  store_be<T>(bytes.data(), value);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

Bytes ethernet(std::uint16_t type) {
  Bytes frame = from_hex("0aaaaaaaaaaa060102030405").value();
  add<std::uint16_t>(frame, type);
  return frame;
}

// A segment of the guest; the service does not look at its checksums, which the cable cannot break.
Bytes segment(unsigned flags, std::uint32_t sequence, std::uint32_t acknowledged, std::string_view text = "",
              std::uint16_t window = 64240, std::uint16_t port = 80) {
  Bytes frame = ethernet(0x0800);
  add<std::uint16_t>(frame, 0x4500);
  add<std::uint16_t>(frame, static_cast<std::uint16_t>(40 + text.size()));
  add<std::uint32_t>(frame, 0x00014000);
  add<std::uint32_t>(frame, 0x40060000);
  add<std::uint32_t>(frame, guest_address);
  add<std::uint32_t>(frame, metadata_address);
  add<std::uint16_t>(frame, 40000);
  add<std::uint16_t>(frame, port);
  add<std::uint32_t>(frame, sequence);
  add<std::uint32_t>(frame, acknowledged);
  add<std::uint16_t>(frame, static_cast<std::uint16_t>(0x5000 | flags));
  add<std::uint16_t>(frame, window);
  add<std::uint32_t>(frame, 0);
  const ByteView bytes = as_bytes(text);
  frame.insert(frame.end(), bytes.begin(), bytes.end());
  return frame;
}

std::uint32_t sequence_of(const Bytes& frame) {
  return load_be<std::uint32_t>(frame.data() + 38);
}
std::uint32_t acknowledged_by(const Bytes& frame) {
  return load_be<std::uint32_t>(frame.data() + 42);
}
unsigned flags_of(const Bytes& frame) {
  return std::to_integer<unsigned>(frame.at(47));
}
std::string payload_of(const Bytes& frame) {
  const std::size_t header = 34 + (std::to_integer<std::size_t>(frame.at(46)) >> 4) * 4;
  return std::string(as_text(ByteView(frame).subspan(header)));
}

// The sum of what a receiver adds up; 0xffff when the checksum in it is right.
std::uint32_t folded_sum(ByteView bytes, std::uint32_t sum) {
  Bytes even = to_bytes(bytes);
  even.resize((even.size() + 1) / 2 * 2);
  for (std::size_t i = 0; i < even.size(); i += 2) sum += load_be<std::uint16_t>(even.data() + i);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}
void expect_good_checksums(const Bytes& frame) {
  EXPECT_EQ(folded_sum(ByteView(frame).subspan(14, 20), 0), 0xffffU);
  const ByteView tcp = ByteView(frame).subspan(34);
  const ByteView addresses = ByteView(frame).subspan(26, 8);
  const auto length = static_cast<std::uint32_t>(tcp.size());
  EXPECT_EQ(folded_sum(tcp, folded_sum(addresses, 6 + length)), 0xffffU);
}

// What ends with "." is a whole request.
class GuestWireTest : public testing::Test {
 protected:
  std::uint32_t greet() {
    const auto greeting = wire.receive(segment(syn, 999, 0));
    EXPECT_EQ(greeting.size(), 1U);
    EXPECT_EQ(flags_of(greeting.at(0)), syn | ack);
    EXPECT_EQ(acknowledged_by(greeting.at(0)), 1000U);
    expect_good_checksums(greeting.at(0));
    const std::uint32_t first = sequence_of(greeting.at(0)) + 1;
    EXPECT_TRUE(wire.receive(segment(ack, 1000, first)).empty());
    return first;
  }

  std::string answer = "the answer";
  std::string asked;
  GuestWire wire{[this](std::string_view received) -> std::optional<Bytes> {
    if (!received.ends_with('.')) return std::nullopt;
    asked = std::string(received);
    return to_bytes(as_bytes(answer));
  }};
};

TEST_F(GuestWireTest, SaysWhereItIs) {
  Bytes question = ethernet(0x0806);
  for (const char* part : {"0001080006040001", "060102030405", "0a000519", "000000000000", "a9fea9fe"}) {
    const Bytes bytes = from_hex(part).value();
    question.insert(question.end(), bytes.begin(), bytes.end());
  }
  const auto answers = wire.receive(question);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(to_hex(answers[0]),
            "060102030405"
            "0a00a9fea9fe"
            "0806"
            "0001080006040002"
            "0a00a9fea9fe"
            "a9fea9fe"
            "060102030405"
            "0a000519");
  question.back() = std::byte{1};
  EXPECT_TRUE(wire.receive(question).empty()) << "another's address";
}

TEST_F(GuestWireTest, AnswersARequestThatComesInPiecesAndEnds) {
  const std::uint32_t first = greet();
  const auto half = wire.receive(segment(ack, 1000, first, "say "));
  ASSERT_EQ(half.size(), 1U);
  EXPECT_EQ(acknowledged_by(half[0]), 1004U);
  const auto whole = wire.receive(segment(ack, 1004, first, "it."));
  EXPECT_EQ(asked, "say it.");
  ASSERT_EQ(whole.size(), 2U);
  EXPECT_EQ(payload_of(whole[0]), "the answer");
  EXPECT_EQ(sequence_of(whole[0]), first);
  EXPECT_EQ(acknowledged_by(whole[0]), 1007U);
  EXPECT_EQ(flags_of(whole[1]) & fin, fin);
  EXPECT_EQ(sequence_of(whole[1]), first + 10);
  for (const Bytes& frame : whole) expect_good_checksums(frame);
  const auto end = wire.receive(segment(fin | ack, 1007, first + 11));
  ASSERT_EQ(end.size(), 1U);
  EXPECT_EQ(acknowledged_by(end[0]), 1008U);
  EXPECT_TRUE(wire.repeat().empty()) << "nothing is left of the connection";
  EXPECT_EQ(flags_of(wire.receive(segment(ack, 1008, first + 11)).at(0)) & rst, rst);
}

TEST_F(GuestWireTest, TakesARequestOfManySegmentsThoughSomeAreLost) {
  const std::uint32_t first = greet();
  std::string request;
  for (int i = 0; request.size() < 40000; ++i) request += std::to_string(i) + " ";
  request += ".";
  // The third segment is lost, and all from there go again.
  constexpr std::size_t piece = 1460;
  std::uint32_t acknowledged = 1000;
  bool was_lost = false;
  std::vector<Bytes> answers;
  for (std::size_t at = 0; at < request.size(); at += piece) {
    if (at == 2 * piece && !was_lost) {
      was_lost = true;
      const auto early = wire.receive(segment(ack, static_cast<std::uint32_t>(1000 + at + piece), first,
                                              std::string_view(request).substr(at + piece, piece)));
      ASSERT_EQ(early.size(), 1U);
      EXPECT_EQ(acknowledged_by(early[0]), acknowledged) << "what came early is asked for again";
    }
    const std::string_view text = std::string_view(request).substr(at, piece);
    answers = wire.receive(segment(ack, acknowledged, first, text));
    acknowledged += static_cast<std::uint32_t>(text.size());
    ASSERT_FALSE(answers.empty());
    EXPECT_EQ(acknowledged_by(answers[0]), acknowledged);
  }
  EXPECT_EQ(asked, request);
  EXPECT_EQ(payload_of(answers[0]), "the answer");
}

TEST_F(GuestWireTest, EndsWhatNeverBecomesARequest) {
  const std::uint32_t first = greet();
  const std::string text(1460, 'x');
  std::uint32_t sent = 1000;
  unsigned flags = 0;
  for (int i = 0; i < 60 && (flags & fin) == 0; ++i) {
    const auto frames = wire.receive(segment(ack, sent, first, text));
    sent += static_cast<std::uint32_t>(text.size());
    ASSERT_EQ(frames.size(), 1U);
    flags = flags_of(frames[0]);
  }
  EXPECT_NE(flags & fin, 0U) << "after 64 KiB";
  EXPECT_LT(sent, 1000 + 70000U);
  const auto more = wire.receive(segment(ack, sent, first, text));
  ASSERT_EQ(more.size(), 1U);
  EXPECT_EQ(acknowledged_by(more[0]), sent + text.size()) << "it is taken, for the guest to come to its end";
  EXPECT_EQ(asked, "");
}

TEST_F(GuestWireTest, TakesWhatComesTwiceOnce) {
  const std::uint32_t first = greet();
  wire.receive(segment(ack, 1000, first, "say "));
  const auto again = wire.receive(segment(ack, 1000, first, "say "));
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(acknowledged_by(again[0]), 1004U);
  wire.receive(segment(ack, 1000, first, "say it."));
  EXPECT_EQ(asked, "say it.");
}

TEST_F(GuestWireTest, GreetsAgainAsItDidWhenThatWasLost) {
  const std::uint32_t first = greet();
  EXPECT_EQ(greet(), first);
}

TEST_F(GuestWireTest, SaysAgainWhatTheGuestDidNotHear) {
  const std::uint32_t first = greet();
  wire.receive(segment(ack, 1000, first, "it."));
  const auto again = wire.repeat();
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(payload_of(again[0]), "the answer");
  EXPECT_TRUE(wire.receive(segment(ack, 1003, first + 4)).empty());
  const auto rest = wire.repeat();
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(payload_of(rest[0]), "answer");
  wire.receive(segment(ack, 1003, first + 11));
  EXPECT_TRUE(wire.repeat().empty());
}

TEST_F(GuestWireTest, SendsNoMoreThanTheGuestHasRoomFor) {
  answer = std::string(20000, 'x');
  const std::uint32_t first = greet();
  std::size_t got = 0;
  auto frames = wire.receive(segment(ack, 1000, first, "it.", 3000));
  for (int i = 0; i < 50 && got < answer.size(); ++i) {
    std::size_t burst = 0;
    for (const Bytes& frame : frames) burst += payload_of(frame).size();
    EXPECT_LE(burst, 3000U);
    got += burst;
    frames = wire.receive(segment(ack, 1003, first + static_cast<std::uint32_t>(got), "", 3000));
  }
  EXPECT_EQ(got, answer.size());
}

TEST_F(GuestWireTest, RefusesOtherPortsAndSaysNothingToOthersFrames) {
  const auto refused = wire.receive(segment(syn, 999, 0, "", 64240, 443));
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(flags_of(refused[0]) & rst, rst);
  EXPECT_EQ(acknowledged_by(refused[0]), 1000U);
  Bytes elsewhere = segment(syn, 999, 0);
  elsewhere[33] = std::byte{1};  // the last byte of the address
  EXPECT_TRUE(wire.receive(elsewhere).empty());
  const Bytes whole = segment(ack, 1000, 1, "text");
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_TRUE(wire.receive(ByteView(whole).first(length)).empty()) << length;
}

TEST_F(GuestWireTest, ForgetsWhoFellSilent) {
  const std::uint32_t first = greet();
  for (int i = 0; i < 121; ++i) EXPECT_TRUE(wire.repeat().empty());
  EXPECT_EQ(flags_of(wire.receive(segment(ack, 1000, first, "it.")).at(0)) & rst, rst);
}

}  // namespace
}  // namespace rekindle::sandbox
