#include "sandbox/commands/sandbox_servers.h"

#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/random.h"
#include "sandbox/datacenter/datacenter.h"
#include "sandbox/region/region.h"

namespace rekindle::sandbox {

namespace {

namespace fs = std::filesystem;

Result<nlohmann::json> read_json(const fs::path& path) {
  const std::string text = TRY(read_text_file(path));
  auto body = nlohmann::json::parse(text, nullptr, false);
  if (body.is_discarded())
    return error(ErrorCode::corrupt, "{} is not JSON; remove it and start again", path.string());
  return body;
}

Result<> write_json(const fs::path& path, const nlohmann::json& body) {
  return write_file_atomically(path, body.dump(2));
}

void wait_for(const std::stop_token& stop) {
  SystemClock clock;
  while (clock.sleep(std::chrono::hours(1), stop)) {
  }
}

std::uint16_t port_of_last_time(const fs::path& directory) {
  const auto known = read_json(directory / "server.json");
  return known.ok() ? known->value("port", std::uint16_t{0}) : std::uint16_t{0};
}

Result<Region::Network> network_of(Region& region, const fs::path& directory) {
  const auto known = read_json(directory / "network.json");
  if (known.ok())
    return Region::Network{known->at("vpc_id"), known->at("subnet_id"), known->at("security_group_id")};
  const auto network = TRY(region.make_network("10.20.0.0/16", "10.20.1.0/24"));
  TRY(write_json(directory / "network.json", {{"vpc_id", network.vpc_id},
                                              {"subnet_id", network.subnet_id},
                                              {"security_group_id", network.security_group_id}}));
  return network;
}

RegionOptions region_options(const ServerOptions& options) {
  RegionOptions region;
  region.directory = options.directory;
  region.port = options.port != 0 ? options.port : port_of_last_time(options.directory);
  region.access_key = options.user;
  region.secret_key = options.secret;
  region.account_id = "123456789012";
  return region;
}

}  // namespace

Result<> serve_datacenter(const ServerOptions& options, std::stop_token stop) {
  TRY(make_directories(options.directory));
  DatacenterOptions datacenter;
  datacenter.directory = options.directory;
  datacenter.port = options.port;
  datacenter.user = options.user;
  datacenter.password = options.secret;
  datacenter.mode = options.mode == "vmfs" ? DatacenterOptions::Mode::vmfs : DatacenterOptions::Mode::nfs;
  datacenter.revive = options.revive;
  const auto server = TRY(Datacenter::start(datacenter));
  TRY(write_json(options.directory / "server.json", {{"pid", ::getpid()},
                                                     {"port", server->port()},
                                                     {"url", server->url()},
                                                     {"thumbprint", server->thumbprint()}}));
  SystemClock clock;
  while (!server->lost() && clock.sleep(std::chrono::milliseconds(100), stop)) {
  }
  return {};
}

Result<> serve_region(const ServerOptions& options, std::stop_token stop) {
  TRY(make_directories(options.directory));
  const auto server = TRY(Region::start(region_options(options)));
  const auto network = TRY(network_of(*server, options.directory));
  TRY(write_json(options.directory / "server.json", {{"pid", ::getpid()},
                                                     {"port", server->port()},
                                                     {"endpoint", server->endpoint()},
                                                     {"vpc_id", network.vpc_id},
                                                     {"subnet_id", network.subnet_id},
                                                     {"security_group_id", network.security_group_id}}));
  wait_for(stop);
  return {};
}

namespace {

bool runs(const fs::path& directory) {
  const auto server = read_json(directory / "server.json");
  return server.ok() && process_lives(server->value("pid", 0), "sandbox");
}

std::string last_line(const fs::path& log) {
  std::string text = read_text_file(log).ok() ? read_text_file(log).value() : "it wrote nothing";
  while (text.ends_with('\n')) text.pop_back();
  const auto line = text.rfind('\n');
  return line == std::string::npos ? text : text.substr(line + 1);
}

Result<> start_server(const fs::path& directory, const std::string& kind, bool revive) {
  const fs::path own = directory / kind;
  if (runs(own)) return {};
  TRY(make_directories(own));
  std::vector<std::string> argv = {fs::read_symlink("/proc/self/exe").string(),
                                   "sandbox",
                                   "serve-" + kind,
                                   "--directory",
                                   own.string(),
                                   "--credentials",
                                   (directory / "sandbox.json").string()};
  if (revive && kind == "datacenter") argv.emplace_back("--revive");
  const pid_t pid = TRY(start_daemon(argv, {own / "server.log"}), "starting the {}", kind);
  SystemClock clock;
  for (int poll = 0; poll < 600; ++poll) {
    const auto server = read_json(own / "server.json");
    if (server.ok() && server->value("pid", 0) == pid) return {};
    if (!process_lives(pid, "sandbox")) break;
    clock.sleep(std::chrono::milliseconds(50));
  }
  return error(ErrorCode::unavailable, "the {} of the sandbox did not start: {}", kind,
               last_line(own / "server.log"));
}

// Made once: whoever finds the directory later uses the same.
Result<nlohmann::json> credentials_of(const fs::path& directory) {
  auto known = read_json(directory / "sandbox.json");
  if (known.ok()) return known;
  if (known.error().code() != ErrorCode::not_found) return known.error();
  SystemRandom random;
  nlohmann::json body = {{"datacenter", {{"user", "root"}, {"password", random.hex(8)}}},
                         {"region",
                          {{"name", "us-east-1"},
                           {"access_key_id", "AKIA" + random.hex(8)},
                           {"secret_access_key", random.hex(20)}}}};
  TRY(make_directories(directory));
  TRY(write_json(directory / "sandbox.json", body));
  return body;
}

}  // namespace

Result<nlohmann::json> start_sandbox(const fs::path& directory, bool revive) {
  nlohmann::json body = TRY(credentials_of(directory));
  TRY(start_server(directory, "datacenter", revive));
  TRY(start_server(directory, "region", false));
  body["datacenter"].update(TRY(read_json(directory / "datacenter" / "server.json")));
  body["region"].update(TRY(read_json(directory / "region" / "server.json")));
  TRY(write_json(directory / "sandbox.json", body));
  return body;
}

Result<nlohmann::json> sandbox_status(const fs::path& directory) {
  nlohmann::json body =
      TRY(read_json(directory / "sandbox.json"),
          "there is no sandbox in {}; make one with 'rekindle sandbox start'", directory.string());
  body["datacenter"]["runs"] = runs(directory / "datacenter");
  body["region"]["runs"] = runs(directory / "region");
  if (body["datacenter"]["runs"].get<bool>()) {
    const auto client = TRY(DatacenterClient::connect(directory / "datacenter"));
    body["machines"] = TRY(client.machines());
  }
  return body;
}

Result<> strike_datacenter(const fs::path& directory) {
  const auto client = TRY(DatacenterClient::connect(directory / "datacenter"));
  return client.disaster();
}

Result<> stop_sandbox(const fs::path& directory) {
  const nlohmann::json body = TRY(credentials_of(directory));
  // All is ended also when the datacenter fails to say that its machines are.
  Result<> struck = runs(directory / "datacenter") ? strike_datacenter(directory) : Result<>();
  for (const char* kind : {"datacenter", "region"}) {
    const auto server = read_json(directory / kind / "server.json");
    if (server.ok() && runs(directory / kind)) kill_process(server->value("pid", 0));
  }
  if (!fs::exists(directory / "region")) return struck;
  ServerOptions options;
  options.directory = directory / "region";
  options.user = body.at("region").value("access_key_id", "");
  options.secret = body.at("region").value("secret_access_key", "");
  const auto region = TRY(Region::start(region_options(options)));
  TRY(region->terminate_everything());
  return struck;
}

}  // namespace rekindle::sandbox
