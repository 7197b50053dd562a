#include "sandbox/region/metadata_links.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <set>

#include "base/log.h"
#include "sandbox/region/guest_http.h"

namespace rekindle::sandbox {

namespace {

constexpr auto repeat_pause = std::chrono::milliseconds(500);
constexpr int poll_ms = 100;  // how soon a new instance gets its link
constexpr std::size_t largest_frame = 65536;
constexpr int frames_at_once = 64;  // of one guest, before the others have their turn

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  return address;
}

// A name that a dead server left is taken over.
FileDescriptor bound_socket(const std::filesystem::path& path) {
  FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || !remove_file(path).ok()) return {};
  const sockaddr_un address = address_of(path);
  const bool bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  return bound ? std::move(socket) : FileDescriptor();
}

// A frame that finds no room, or no machine, is lost, as on any network.
void send_frames(const FileDescriptor& socket, const std::filesystem::path& guest,
                 const std::vector<Bytes>& frames) {
  const sockaddr_un address = address_of(guest);
  for (const Bytes& frame : frames) {
    static_cast<void>(::sendto(socket.get(), frame.data(), frame.size(), MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
}

}  // namespace

MetadataLinks::MetadataLinks(Cloud& cloud, Answer answer)
    : cloud_(cloud),
      answer_(std::move(answer)),
      thread_([this](const std::stop_token& stop) { serve(stop); }) {}

void MetadataLinks::serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    follow_instances();
    wait_for_frames();
    repeat();
  }
}

void MetadataLinks::follow_instances() {
  std::set<std::string> running;
  {
    const std::lock_guard lock(cloud_.mutex());
    for (const auto& [id, instance] : cloud_.state().all<Instance>()) {
      const bool on =
          instance.state == "pending" || instance.state == "running" || instance.state == "stopping";
      if (on && !instance.proxy) running.insert(id);
    }
  }
  std::erase_if(links_, [&](const auto& link) { return !running.contains(link.first); });
  for (const std::string& id : running) {
    if (!links_.contains(id)) open_link(id);
  }
}

void MetadataLinks::open_link(const std::string& instance_id) {
  const std::filesystem::path directory = cloud_.instance_directory(instance_id);
  std::error_code ignored;
  if (!std::filesystem::exists(directory, ignored)) return;  // its machine is not started yet
  FileDescriptor socket = bound_socket(metadata_socket(directory));
  if (!socket) {
    log::debug("{} has no metadata service yet: its socket cannot be made", instance_id);
    return;
  }
  GuestWire wire([this, instance_id](std::string_view received) {
    return answer_http(received, [&](const HttpRequest& request) { return answer_(instance_id, request); });
  });
  links_.emplace(instance_id, Link{std::move(socket), guest_socket(directory), std::move(wire)});
}

void MetadataLinks::wait_for_frames() {
  std::vector<pollfd> waiting;
  std::vector<Link*> waiting_links;
  for (auto& [id, link] : links_) {
    waiting.push_back({link.socket.get(), POLLIN, 0});
    waiting_links.push_back(&link);
  }
  if (::poll(waiting.data(), waiting.size(), poll_ms) <= 0) return;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if ((waiting[i].revents & POLLIN) != 0) read_frames(*waiting_links[i]);
  }
}

void MetadataLinks::read_frames(Link& link) {
  Bytes frame(largest_frame);
  for (int i = 0; i < frames_at_once; ++i) {
    const ssize_t got = ::recv(link.socket.get(), frame.data(), frame.size(), 0);
    if (got <= 0) return;
    send_frames(link.socket, link.guest,
                link.wire.receive(ByteView(frame).first(static_cast<std::size_t>(got))));
  }
}

void MetadataLinks::repeat() {
  const auto now = std::chrono::steady_clock::now();
  if (now - repeated_ < repeat_pause) return;
  repeated_ = now;
  for (auto& [id, link] : links_) send_frames(link.socket, link.guest, link.wire.repeat());
}

}  // namespace rekindle::sandbox
