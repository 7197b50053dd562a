#include "recover/health_check.h"

#include "model/console_pattern.h"
#include "net/tcp_probe.h"
#include "net/url.h"

namespace rekindle {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

std::string health_check_url(std::string pattern, const std::string& private_ip,
                             const std::string& public_ip) {
  replace_all(pattern, "{private_ip}", private_ip);
  replace_all(pattern, "{public_ip}", public_ip);
  return pattern;
}

namespace {

HealthAnswer ask_http(HttpTransport& http, const std::string& url, const std::stop_token& stop) {
  HttpRequest request;
  request.url = url;
  // Short: a machine that boots accepts connections before anybody answers them.
  request.connect_timeout = std::chrono::milliseconds(1000);
  request.timeout = std::chrono::milliseconds(1000);
  request.stop = stop;
  const auto answer = http.send(request);
  if (answer.ok() && answer->status < 400) return {true, ""};
  return {false,
          answer.ok() ? fmt::format("it answered with status {}", answer->status) : answer.error().message()};
}

HealthAnswer ask_tcp(const Url& url) {
  const Result<> connected = probe_tcp(url.host, url.port, std::chrono::milliseconds(1000));
  return {connected.ok(), connected.ok() ? "" : connected.error().message()};
}

// The site counts calls: not five a second.
constexpr std::chrono::milliseconds site_pause{2000};

HealthProbe site_probe(RecoveryTarget& site, const InstanceId& id) {
  return {fmt::format("the site's own check of {}", id), site_pause, [&site, id]() -> HealthAnswer {
            const auto passes = site.passes_site_checks(id);
            if (!passes.ok()) return {false, passes.error().message()};
            return {*passes, "it does not pass yet"};
          }};
}

// A plan of an earlier version may hold a text that is no pattern.
ConsolePattern pattern_of(std::string_view text) {
  const auto parsed = ConsolePattern::parse(text);
  return parsed.ok() ? *parsed : ConsolePattern::plain(text);
}

HealthProbe console_probe(RecoveryTarget& site, const InstanceId& id, const std::string& wanted) {
  return {fmt::format("the console of {}", id), site_pause,
          [&site, id, wanted, pattern = pattern_of(wanted)]() -> HealthAnswer {
            const auto console = site.console_output(id);
            if (!console.ok()) return {false, console.error().message()};
            const auto said = pattern.is_in(*console);
            if (!said.ok()) return {false, said.error().message()};
            return {*said, fmt::format("\"{}\" is not in it", wanted)};
          }};
}

}  // namespace

Result<HealthProbe> url_probe(HttpTransport& http, const std::string& url, std::stop_token stop) {
  constexpr std::string_view tcp = "tcp://";
  const bool is_port = url.starts_with(tcp);
  const std::string as_http = is_port ? "http://" + url.substr(tcp.size()) : url;  // for its host and port
  const Url parsed = TRY(parse_url(as_http), "the health check '{}'", url);
  HealthProbe probe;
  probe.name = url;
  if (is_port) {
    probe.look = [parsed] { return ask_tcp(parsed); };
  } else {
    probe.look = [&http, url, stop = std::move(stop)] { return ask_http(http, url, stop); };
  }
  return probe;
}

Result<HealthProbe> instance_probe(const std::string& check, const Instance& instance, HttpTransport& http,
                                   RecoveryTarget& site, std::stop_token stop) {
  if (check == "status") return site_probe(site, instance.id);
  if (check.starts_with(ConsolePattern::prefix))
    return console_probe(site, instance.id, check.substr(ConsolePattern::prefix.size()));
  return url_probe(http, health_check_url(check, instance.private_ip, instance.public_ip), std::move(stop));
}

Result<> wait_until_healthy(Clock& clock, const HealthProbe& probe, std::chrono::seconds patience,
                            std::stop_token stop, const std::function<Result<>()>& alive) {
  const auto end = clock.ticks() + patience;
  auto next_alive = clock.ticks() + std::chrono::seconds(3);
  std::string last = "nothing was asked yet";
  while (clock.ticks() < end) {
    HealthAnswer answer = probe.look();
    if (answer.healthy) return {};
    last = std::move(answer.said);
    if (clock.ticks() >= next_alive) {
      TRY(alive());
      next_alive = clock.ticks() + std::chrono::seconds(3);
    }
    if (!clock.sleep(probe.pause, stop)) return error(ErrorCode::cancelled, "cancelled by the user");
  }
  return error(
      ErrorCode::failed_precondition,
      "{} did not answer within {} ({}); look at the health check of the plan and the security group",
      probe.name, human_duration(patience), last);
}

std::string last_console_line(std::string_view console) {
  constexpr std::size_t longest = 160;
  while (!console.empty()) {
    const auto end = console.find_last_not_of("\r\n \t");
    if (end == std::string_view::npos) break;
    console = console.substr(0, end + 1);
    const auto start = console.find_last_of('\n');
    const std::string_view line = start == std::string_view::npos ? console : console.substr(start + 1);
    std::string printable;
    for (char c : line.substr(0, longest)) {
      if (c >= ' ' && c < 127) printable += c;
    }
    if (!printable.empty()) return fmt::format("its console ends with \"{}\"", printable);
    if (start == std::string_view::npos) break;
    console = console.substr(0, start);
  }
  return "its console is empty";
}

}  // namespace rekindle
