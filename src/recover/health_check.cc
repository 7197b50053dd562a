#include "recover/health_check.h"

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

Result<> wait_until_healthy(HttpTransport& http, Clock& clock, const std::string& url,
                            std::chrono::seconds patience, std::stop_token stop,
                            const std::function<Result<>()>& alive) {
  const auto end = clock.ticks() + patience;
  auto next_alive = clock.ticks() + std::chrono::seconds(3);
  HttpRequest request;
  request.url = url;
  // Short: a machine that boots accepts connections before anybody answers them.
  request.connect_timeout = std::chrono::milliseconds(1000);
  request.timeout = std::chrono::milliseconds(1000);
  request.stop = stop;
  std::string last = "nothing was asked yet";
  while (clock.ticks() < end) {
    const auto answer = http.send(request);
    if (answer.ok() && answer->status < 400) return {};
    last = answer.ok() ? fmt::format("it answered with status {}", answer->status) : answer.error().message();
    if (clock.ticks() >= next_alive) {
      TRY(alive());
      next_alive = clock.ticks() + std::chrono::seconds(3);
    }
    if (!clock.sleep(std::chrono::milliseconds(200), stop))
      return error(ErrorCode::cancelled, "cancelled by the user");
  }
  return error(
      ErrorCode::failed_precondition,
      "{} did not answer within {} ({}); look at the health check of the plan and the security group", url,
      human_duration(patience), last);
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
