// point serve: a recovery point's disks for any program that speaks NBD, writable without being changed.
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "base/bytes.h"
#include "base/file.h"
#include "cli/point_commands.h"
#include "cli/served_disk.h"
#include "nbd/server.h"

namespace rekindle {

namespace {

// Enough for the files that a guest reads again and again while it boots.
constexpr std::uint64_t cache_bytes = 256 * mib;

struct ServeInput {
  std::string point;
  std::string disk;
  nbd::Address address;
  std::string scratch;
  bool tcp = false;
  bool read_only = false;
};

Result<nbd::Export> serve_disk(Workplace& workplace, const RecoveryPoint& point,
                               const RecoveryPointDisk& disk, const ServeInput& input,
                               const std::filesystem::path& folder, ServedDisk& served) {
  const std::uint64_t cache = cache_bytes / std::max<std::size_t>(1, point.disks.size());
  served = TRY(open_served_disk(workplace, point, disk.disk_id, folder, cache));
  nbd::Export exported;
  exported.name = disk.disk_id.str();
  exported.description = fmt::format("{} as of {}, {}", point.machine.name, to_iso8601(point.time),
                                     human_bytes(disk.size_bytes));
  exported.source = served.source.get();
  if (input.read_only) return exported;
  exported.source = served.scratch.get();
  exported.target = served.scratch.get();
  return exported;
}

void announce(const Session& session, const RecoveryPoint& point, const nbd::Server& server, bool read_only) {
  nlohmann::json exports = nlohmann::json::array();
  for (const nbd::Export& one : server.exports()) {
    const std::string uri = server.uri(one);
    session.output.say(fmt::format("disk {}: {}", one.name, uri));
    exports.push_back({{"disk_id", one.name}, {"uri", uri}, {"size_bytes", one.source->size()}});
  }
  const std::string uri = server.uri(server.exports().front());
  session.output.say(fmt::format(
      "{}\nLook inside:  guestfish --ro -i --format=raw -a '{}'\nCopy it:      qemu-img convert -p -O qcow2 "
      "'{}' "
      "copy.qcow2\nBoot it:      qemu-system-x86_64 -m 2048 -snapshot -drive 'file={},format=raw'\n"
      "Ctrl-C ends it.",
      read_only ? "Read-only." : "What is written to it is kept apart, and thrown away at the end.", uri, uri,
      uri));
  if (session.output.json) {
    session.output.record({{"point", point.id.str()}, {"read_only", read_only}, {"exports", exports}});
  }
  std::fflush(stdout);
}

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any nothing;
  std::unique_lock lock(mutex);
  nothing.wait(lock, stop, [] { return false; });
}

Result<> serve(Session& session, Workplace& workplace, const ServeInput& input) {
  const RecoveryPoint point = TRY(find_recovery_point(workplace, input.point));
  const auto disks = TRY(find_disks(point, input.disk));
  const auto folder = TRY(TemporaryDirectory::make("rekindle-point"));
  std::vector<ServedDisk> served(disks.size());
  std::vector<nbd::Export> exports;
  const std::filesystem::path scratch =
      input.scratch.empty() ? folder.path() : std::filesystem::path(input.scratch);
  for (std::size_t i = 0; i < disks.size(); ++i) {
    exports.push_back(TRY(serve_disk(workplace, point, disks[i], input, scratch, served[i])));
  }
  if (exports.empty()) return error(ErrorCode::not_found, "recovery point {} has no disk", point.id);
  nbd::Address address = input.address;
  if (!input.tcp && address.socket.empty()) address.socket = folder.path() / "socket";
  const auto server = TRY(nbd::Server::start(address, std::move(exports)));
  announce(session, point, *server, input.read_only);
  wait_for(session.interrupted);
  return {};
}

}  // namespace

void add_point_serve(CLI::App& noun, Session& session) {
  auto input = std::make_shared<ServeInput>();
  CLI::App* verb =
      add_verb(noun, "serve", "Open it as disks for any program that speaks NBD, until Ctrl-C", session,
               [&session, input](Workplace& workplace) { return serve(session, workplace, *input); });
  verb->add_option("point", input->point, "A recovery point's id or its beginning, or a machine: its newest")
      ->required();
  verb->add_option("--disk", input->disk, "Only this disk: its id, or 0 for the first");
  auto* socket =
      verb->add_option("--socket", input->address.socket, "Unix socket (default: one in a new folder)");
  auto* port = verb->add_option_function<std::uint16_t>(
      "--port",
      [input](std::uint16_t value) {
        input->address.port = value;
        input->tcp = true;
      },
      "TCP port of this computer; 0: one that is free");
  port->excludes(socket);
  verb->add_option("--listen", input->address.host,
                   "IPv4 address for --port. Whoever reaches it reads the disks: NBD asks for no password")
      ->needs(port)
      ->capture_default_str();
  verb->add_option("--scratch", input->scratch, "Folder for what is written to the disks (default: $TMPDIR)");
  verb->add_flag("--read-only", input->read_only, "Refuse writes");
}

}  // namespace rekindle
