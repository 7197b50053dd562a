#include "sandbox/region/guest_wire.h"

#include <algorithm>

namespace rekindle::sandbox {

namespace {

constexpr std::size_t ethernet_bytes = 14, ip_bytes = 20, tcp_bytes = 20, arp_bytes = 28;
constexpr std::uint16_t type_ip = 0x0800, type_arp = 0x0806;
constexpr std::byte protocol_tcp{6};
constexpr unsigned flag_fin = 1, flag_syn = 2, flag_reset = 4, flag_push = 8, flag_ack = 16;

constexpr std::uint16_t http_port = 80;
constexpr std::size_t segment_bytes = 1460;
constexpr std::size_t burst = 8 * segment_bytes;  // a UNIX socket queues ten frames by default
constexpr std::uint16_t own_window = 16384;
constexpr std::size_t longest_request = 65540;  // head, its end and body, as guest_http.h takes them
constexpr std::size_t most_connections = 64;
constexpr int longest_silence = 120;

// Locally administered; instances' begin with 06.
constexpr std::array<std::byte, 6> own_mac = {std::byte{0x0a}, std::byte{0x00}, std::byte{0xa9},
                                              std::byte{0xfe}, std::byte{0xa9}, std::byte{0xfe}};

void append(Bytes& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <typename T>
void append_be(Bytes& to, T value) {
  std::array<std::byte, sizeof(T)> bytes{};
  store_be<T>(bytes.data(), value);
  append(to, bytes);
}

// RFC 1071; `sum` is what goes before the bytes.
std::uint16_t internet_checksum(ByteView bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += load_be<std::uint16_t>(bytes.data() + i);
  if (bytes.size() % 2 != 0) sum += std::to_integer<std::uint32_t>(bytes.back()) << 8;
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::uint32_t pseudo_header_sum(std::uint32_t to, std::size_t tcp_length) {
  return (metadata_address >> 16) + (metadata_address & 0xffff) + (to >> 16) + (to & 0xffff) +
         std::to_integer<std::uint32_t>(protocol_tcp) + static_cast<std::uint32_t>(tcp_length);
}

Bytes ethernet_header(ByteView to, std::uint16_t type) {
  Bytes frame;
  append(frame, to);
  append(frame, own_mac);
  append_be<std::uint16_t>(frame, type);
  return frame;
}

Bytes ip_header(std::uint32_t to, std::size_t payload_bytes) {
  Bytes header;
  append_be<std::uint16_t>(header, 0x4500);
  append_be<std::uint16_t>(header, static_cast<std::uint16_t>(ip_bytes + payload_bytes));
  append_be<std::uint32_t>(header, 0x00004000);  // no fragments
  append_be<std::uint16_t>(header, 0x4006);      // 64 hops, TCP
  append_be<std::uint16_t>(header, 0);
  append_be<std::uint32_t>(header, metadata_address);
  append_be<std::uint32_t>(header, to);
  store_be<std::uint16_t>(header.data() + 10, internet_checksum(header));
  return header;
}

}  // namespace

std::optional<GuestWire::Segment> GuestWire::parse(ByteView frame) {
  if (frame.size() < ethernet_bytes + ip_bytes + tcp_bytes) return std::nullopt;
  if (load_be<std::uint16_t>(frame.data() + 12) != type_ip) return std::nullopt;
  const std::byte* const ip = frame.data() + ethernet_bytes;
  const auto version_and_length = std::to_integer<std::size_t>(ip[0]);
  const std::size_t header = (version_and_length & 15) * 4;
  const std::size_t total = load_be<std::uint16_t>(ip + 2);
  const bool fragment = (load_be<std::uint16_t>(ip + 6) & 0x3fff) != 0;
  if (version_and_length >> 4 != 4 || header < ip_bytes || fragment || ip[9] != protocol_tcp ||
      load_be<std::uint32_t>(ip + 16) != metadata_address || total < header + tcp_bytes ||
      total > frame.size() - ethernet_bytes)
    return std::nullopt;
  const std::byte* const tcp = ip + header;
  const std::size_t offset = (std::to_integer<std::size_t>(tcp[12]) >> 4) * 4;
  if (offset < tcp_bytes || header + offset > total) return std::nullopt;

  Segment segment;
  std::copy_n(frame.data() + 6, segment.peer.mac.size(), segment.peer.mac.begin());
  segment.peer.address = load_be<std::uint32_t>(ip + 12);
  segment.peer.port = load_be<std::uint16_t>(tcp);
  segment.peer.service_port = load_be<std::uint16_t>(tcp + 2);
  segment.sequence = load_be<std::uint32_t>(tcp + 4);
  segment.acknowledged = load_be<std::uint32_t>(tcp + 8);
  segment.window = load_be<std::uint16_t>(tcp + 14);
  const auto flags = std::to_integer<unsigned>(tcp[13]);
  segment.fin = (flags & flag_fin) != 0;
  segment.syn = (flags & flag_syn) != 0;
  segment.reset = (flags & flag_reset) != 0;
  segment.ack = (flags & flag_ack) != 0;
  segment.payload = ByteView(tcp + offset, total - header - offset);
  return segment;
}

Bytes GuestWire::frame_for(const Peer& peer, unsigned flags, std::uint32_t sequence,
                           std::uint32_t acknowledged, ByteView options, ByteView payload) {
  Bytes tcp;
  append_be<std::uint16_t>(tcp, peer.service_port);
  append_be<std::uint16_t>(tcp, peer.port);
  append_be<std::uint32_t>(tcp, sequence);
  append_be<std::uint32_t>(tcp, acknowledged);
  const auto words = static_cast<unsigned>((tcp_bytes + options.size()) / 4);
  append_be<std::uint16_t>(tcp, static_cast<std::uint16_t>(words << 12 | flags));
  append_be<std::uint16_t>(tcp, own_window);
  append_be<std::uint32_t>(tcp, 0);  // checksum, urgent pointer
  append(tcp, options);
  append(tcp, payload);
  store_be<std::uint16_t>(tcp.data() + 16,
                          internet_checksum(tcp, pseudo_header_sum(peer.address, tcp.size())));
  Bytes frame = ethernet_header(peer.mac, type_ip);
  append(frame, ip_header(peer.address, tcp.size()));
  append(frame, tcp);
  return frame;
}

std::optional<Bytes> GuestWire::answer_arp(ByteView frame) {
  if (frame.size() < ethernet_bytes + arp_bytes) return std::nullopt;
  const std::byte* const arp = frame.data() + ethernet_bytes;
  constexpr std::uint16_t request = 1, reply = 2;
  if (load_be<std::uint16_t>(frame.data() + 12) != type_arp || load_be<std::uint16_t>(arp + 6) != request ||
      load_be<std::uint32_t>(arp + 24) != metadata_address)
    return std::nullopt;
  const ByteView asker = frame.subspan(ethernet_bytes + 8, 10);  // its MAC and its address
  Bytes answer = ethernet_header(asker.first(6), type_arp);
  append(answer, ByteView(arp, 6));  // Ethernet, IPv4 and the lengths of their addresses
  append_be<std::uint16_t>(answer, reply);
  append(answer, own_mac);
  append_be<std::uint32_t>(answer, metadata_address);
  append(answer, asker);
  return answer;
}

std::vector<Bytes> GuestWire::receive(ByteView frame) {
  if (auto arp = answer_arp(frame)) return {*std::move(arp)};
  const auto segment = parse(frame);
  return segment ? answer(*segment) : std::vector<Bytes>();
}

Bytes GuestWire::refuse(const Segment& segment) {
  const std::size_t taken = segment.payload.size() + (segment.syn ? 1 : 0) + (segment.fin ? 1 : 0);
  return frame_for(segment.peer, flag_reset | flag_ack, segment.ack ? segment.acknowledged : 0,
                   segment.sequence + static_cast<std::uint32_t>(taken), {}, {});
}

std::vector<Bytes> GuestWire::answer(const Segment& segment) {
  const Key key{segment.peer.address, segment.peer.port};
  if (segment.reset) {
    connections_.erase(key);
    return {};
  }
  if (segment.syn) return {greet(segment)};
  const auto found = connections_.find(key);
  if (found == connections_.end() || segment.peer.service_port != http_port) return {refuse(segment)};
  Connection& connection = found->second;
  connection.silence = 0;
  connection.window = segment.window;
  note_acknowledged(connection, segment);
  take(connection, segment);
  std::vector<Bytes> frames = flush(connection);
  if (frames.empty() && (!segment.payload.empty() || segment.fin)) {
    const auto sequence = connection.first + static_cast<std::uint32_t>(connection.furthest);
    frames.push_back(frame_for(connection.peer, flag_ack, sequence, connection.expected, {}, {}));
  }
  if (connection.over()) connections_.erase(found);
  return frames;
}

// The guest may say it again when our greeting was lost; it gets the same one.
Bytes GuestWire::greet(const Segment& segment) {
  const Key key{segment.peer.address, segment.peer.port};
  auto found = connections_.find(key);
  const bool again = found != connections_.end() && found->second.expected == segment.sequence + 1;
  if (!again) {
    connections_.erase(key);
    if (segment.peer.service_port != http_port || connections_.size() >= most_connections)
      return refuse(segment);
    Connection fresh;
    fresh.peer = segment.peer;
    fresh.expected = segment.sequence + 1;
    fresh.first = next_first_ += 0x10000;
    fresh.window = segment.window;
    found = connections_.emplace(key, std::move(fresh)).first;
  }
  constexpr std::array<std::byte, 4> largest_segment = {
      std::byte{2}, std::byte{4}, std::byte{segment_bytes >> 8}, std::byte{segment_bytes & 255}};
  return frame_for(segment.peer, flag_syn | flag_ack, found->second.first - 1, found->second.expected,
                   largest_segment, {});
}

void GuestWire::note_acknowledged(Connection& connection, const Segment& segment) {
  const std::uint32_t count = segment.acknowledged - connection.first;
  if (!segment.ack || count > connection.furthest || count <= connection.acknowledged) return;
  connection.acknowledged = count;
  connection.sent = std::max(connection.sent, connection.acknowledged);
}

// What of the segment is new; one that came before its forerunner is left for the guest to send again.
void GuestWire::take(Connection& connection, const Segment& segment) {
  const std::uint32_t known = connection.expected - segment.sequence;
  if (connection.guest_ended || known > segment.payload.size()) return;
  const ByteView fresh = segment.payload.subspan(known);
  // What comes after the answer is taken, so that the guest is not stuck with it, and not kept.
  if (!connection.answer) connection.received += as_text(fresh);
  connection.expected += static_cast<std::uint32_t>(fresh.size());
  if (segment.fin) {
    connection.guest_ended = true;
    ++connection.expected;
  }
  if (connection.answer) return;
  connection.answer = service_(connection.received);
  const bool hopeless = connection.guest_ended || connection.received.size() > longest_request;
  if (!connection.answer && hopeless) connection.answer = Bytes();
  if (connection.answer) std::string().swap(connection.received);
}

std::vector<Bytes> GuestWire::flush(Connection& connection) {
  std::vector<Bytes> frames;
  const std::size_t window = std::min(connection.window, burst);
  while (connection.sent < connection.length() && connection.sent - connection.acknowledged < window) {
    const ByteView rest = ByteView(*connection.answer).subspan(connection.sent);
    const std::size_t room = window - (connection.sent - connection.acknowledged);
    const ByteView piece = rest.first(std::min({rest.size(), segment_bytes, room}));
    const auto sequence = connection.first + static_cast<std::uint32_t>(connection.sent);
    const unsigned flags = rest.empty() ? flag_fin | flag_ack : flag_push | flag_ack;
    frames.push_back(frame_for(connection.peer, flags, sequence, connection.expected, {}, piece));
    connection.sent += rest.empty() ? 1 : piece.size();
    connection.furthest = std::max(connection.furthest, connection.sent);
  }
  return frames;
}

std::vector<Bytes> GuestWire::repeat() {
  std::vector<Bytes> frames;
  for (auto& [key, connection] : connections_) ++connection.silence;
  std::erase_if(connections_, [](const auto& entry) { return entry.second.silence > longest_silence; });
  for (auto& [key, connection] : connections_) {
    if (connection.acknowledged == connection.sent) continue;
    connection.sent = connection.acknowledged;
    for (Bytes& frame : flush(connection)) frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace rekindle::sandbox
