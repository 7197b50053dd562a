// The far end of an instance's network cable as far as it is the metadata service: Ethernet frames of the
// guest in, frames for it out. It is a station with the address 169.254.169.254 that answers ARP, and TCP on
// port 80 with one request a connection; whatever else the guest sends is not its business.
//
// QEMU's user network cannot do it: what it forwards from the guest (guestfwd) must lie within its own
// network. The cable loses little, so there is no congestion control: at most `burst` bytes are under way,
// and what was not acknowledged goes again when repeat() is called (RFC 9293, go-back-N).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace rekindle::sandbox {

constexpr std::uint32_t metadata_address = 0xa9fea9fe;  // 169.254.169.254

// One thread at a time.
class GuestWire {
 public:
  // What a connection is answered with, given all that it has sent so far (64 KiB and no more: then it is
  // closed); none: more must come. After the answer the connection is closed.
  using Service = std::function<std::optional<Bytes>(std::string_view received)>;
  explicit GuestWire(Service service) : service_(std::move(service)) {}

  // The frames to send, now that `frame` has come.
  std::vector<Bytes> receive(ByteView frame);
  // The frames to send again. To be called about twice a second; a connection of which nothing was heard for
  // 120 calls is forgotten.
  std::vector<Bytes> repeat();

 private:
  using Mac = std::array<std::byte, 6>;
  struct Peer {
    Mac mac{};
    std::uint32_t address = 0;
    std::uint16_t port = 0;          // of the guest
    std::uint16_t service_port = 0;  // that it called
  };
  struct Segment {  // of the guest
    Peer peer;
    std::uint32_t sequence = 0, acknowledged = 0;
    std::uint16_t window = 0;
    bool syn = false, ack = false, fin = false, reset = false;
    ByteView payload;
  };
  struct Connection {
    Peer peer;
    std::uint32_t expected = 0;  // sequence number of the guest's next byte
    std::uint32_t first = 0;     // that of the answer's first byte
    std::string received;
    bool guest_ended = false;
    std::optional<Bytes> answer;
    // Counted in the answer's bytes, and one more for its end.
    std::size_t acknowledged = 0, sent = 0, furthest = 0;
    std::size_t window = 0;
    int silence = 0;

    std::size_t length() const { return answer ? answer->size() + 1 : 0; }
    bool over() const { return answer && guest_ended && acknowledged == length(); }
  };
  using Key = std::pair<std::uint32_t, std::uint16_t>;  // address and port of the guest

  static std::optional<Segment> parse(ByteView frame);
  static Bytes frame_for(const Peer& peer, unsigned flags, std::uint32_t sequence, std::uint32_t acknowledged,
                         ByteView options, ByteView payload);
  static std::optional<Bytes> answer_arp(ByteView frame);
  static Bytes refuse(const Segment& segment);
  std::vector<Bytes> answer(const Segment& segment);
  Bytes greet(const Segment& segment);
  void take(Connection& connection, const Segment& segment);
  static void note_acknowledged(Connection& connection, const Segment& segment);
  static std::vector<Bytes> flush(Connection& connection);

  Service service_;
  std::map<Key, Connection> connections_;
  std::uint32_t next_first_ = 1;
};

}  // namespace rekindle::sandbox
