#include "sandbox/region/guest_http.h"

#include <fmt/format.h>

#include <charconv>

#include "net/url.h"

namespace rekindle::sandbox {

namespace {

std::string_view without_spaces(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The text up to the end of the line, which is cut off `head`.
std::string_view next_line(std::string_view& head) {
  const auto end = head.find("\r\n");
  const std::string_view line = head.substr(0, end);
  head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
  return line;
}

bool parse_start(std::string_view line, HttpRequest& request) {
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || !line.substr(last + 1).starts_with("HTTP/1."))
    return false;
  request.method = std::string(line.substr(0, first));
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const auto question = target.find('?');
  request.raw_path = std::string(target.substr(0, question));
  request.path = percent_decode(request.raw_path);
  if (question != std::string_view::npos) request.query = std::string(target.substr(question + 1));
  return request.raw_path.starts_with('/');
}

std::optional<HttpRequest> parse_head(std::string_view head) {
  HttpRequest request;
  if (!parse_start(next_line(head), request)) return std::nullopt;
  while (!head.empty()) {
    const std::string_view line = next_line(head);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    request.headers.add(std::string(line.substr(0, colon)),
                        std::string(without_spaces(line.substr(colon + 1))));
  }
  return request;
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    default:
      return "Error";
  }
}

Bytes written(const HttpResponse& response) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\nServer: EC2ws\r\nConnection: close\r\nContent-Length: {}\r\n",
                  response.status, reason_of(response.status), response.body.size());
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  Bytes bytes = to_bytes(as_bytes(head + "\r\n"));
  bytes.insert(bytes.end(), response.body.begin(), response.body.end());
  return bytes;
}

HttpResponse bare(int status) {
  return HttpResponse::text(status, "text/plain", "");
}

// How long the body is; none: the head does not say it in one way.
std::optional<std::size_t> body_length(const HttpRequest& request) {
  std::string_view length = "0";
  int given = 0;
  for (const auto& [name, value] : request.headers) {
    if (equal_ignoring_case(name, "Transfer-Encoding")) return std::nullopt;
    if (!equal_ignoring_case(name, "Content-Length")) continue;
    length = value;
    ++given;
  }
  std::size_t bytes = 0;
  const auto [end, wrong] = std::from_chars(length.data(), length.data() + length.size(), bytes);
  const bool is_number = wrong == std::errc() && end == length.data() + length.size();
  // A number that is too large for its type is still a number.
  if (wrong == std::errc::result_out_of_range) bytes = longest_guest_body + 1;
  return given <= 1 && (is_number || bytes > longest_guest_body) ? std::optional(bytes) : std::nullopt;
}

}  // namespace

std::optional<Bytes> answer_http(std::string_view received, const HttpHandler& handler) {
  constexpr std::string_view empty_line = "\r\n\r\n";
  const auto end = received.substr(0, longest_guest_head + empty_line.size()).find(empty_line);
  if (end == std::string_view::npos)
    return received.size() < longest_guest_head + empty_line.size() ? std::nullopt
                                                                    : std::optional(written(bare(400)));
  auto request = parse_head(received.substr(0, end));
  const auto length = request ? body_length(*request) : std::nullopt;
  if (!length) return written(bare(400));
  if (*length > longest_guest_body) return written(bare(413));
  const std::string_view body = received.substr(end + empty_line.size());
  if (body.size() < *length) return std::nullopt;
  request->body = to_bytes(as_bytes(body.substr(0, *length)));
  return written(handler(*request));
}

}  // namespace rekindle::sandbox
