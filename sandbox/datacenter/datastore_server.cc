#include "sandbox/datacenter/datastore_server.h"

#include <charconv>
#include <optional>

#include "base/file.h"
#include "net/url.h"
#include "sandbox/datacenter/vim_machine.h"
#include "sandbox/datacenter/vim_service.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;

namespace {

HttpResponse refusal(int status, std::string_view text) {
  return HttpResponse::text(status, "text/plain", text);
}

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;
};

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || end.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

// One range of RFC 9110: "bytes=0-99", "bytes=100-", "bytes=-5". None if it is another form, or outside the
// file.
std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t size) {
  if (!header.starts_with("bytes=")) return std::nullopt;
  header.remove_prefix(6);
  const auto dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number_of(header.substr(0, dash));
  const auto last = number_of(header.substr(dash + 1));
  if (!first && last && *last > 0 && size > 0)
    return ByteRange{size - std::min(*last, size), std::min(*last, size)};
  if (!first || *first >= size || (!last && header.size() > dash + 1)) return std::nullopt;
  const std::uint64_t end = last ? std::min(*last + 1, size) : size;
  if (end <= *first) return std::nullopt;
  return ByteRange{*first, end - *first};
}

// The path inside the datastore; none if it leads out of it.
std::optional<fs::path> inside(std::string_view path) {
  fs::path relative = fs::path(path.substr(std::string_view("/folder/").size())).lexically_normal();
  if (relative.empty() || relative.is_absolute() || *relative.begin() == "..") return std::nullopt;
  return relative;
}

bool names_this_datastore(const std::string& query) {
  bool datacenter = false;
  bool datastore = false;
  for (const auto& [name, value] : parse_query(query)) {
    if (name == "dcPath") datacenter = value == "ha-datacenter";
    if (name == "dsName") datastore = value == datastore_name;
  }
  return datacenter && datastore;
}

// No Accept-Ranges: ESXi does not send it either.
HttpResponse content(const File& file, std::uint64_t size, const HttpRequest& request) {
  ByteRange range{0, size};
  HttpResponse response;
  if (request.headers.has("Range")) {
    const auto wanted = parse_range(request.headers.get("Range"), size);
    if (!wanted) {
      response = refusal(416, "Requested Range Not Satisfiable\n");
      response.headers.add("Content-Range", fmt::format("bytes */{}", size));
      return response;
    }
    range = *wanted;
    response.status = 206;
    response.headers.add("Content-Range",
                         fmt::format("bytes {}-{}/{}", range.first, range.first + range.length - 1, size));
  }
  response.headers.add("Content-Type", "application/octet-stream");
  response.headers.add("Content-Length", std::to_string(range.length));
  if (request.method == "HEAD") return response;
  response.body.resize(range.length);
  const Result<> read = file.read_at(range.first, response.body);
  return read.ok() ? response : refusal(500, read.error().message() + "\n");
}

}  // namespace

bool DatastoreServer::is_authenticated(const HttpRequest& request) {
  if (session_of(request, sessions_)) return true;
  constexpr std::string_view scheme = "Basic ";
  const std::string_view header = request.headers.get("Authorization");
  if (!header.starts_with(scheme)) return false;
  const auto decoded = from_base64(header.substr(scheme.size()));
  if (!decoded.ok()) return false;
  const std::string_view pair = as_text(*decoded);
  const auto colon = pair.find(':');
  return colon != std::string_view::npos &&
         sessions_.knows(std::string(pair.substr(0, colon)), std::string(pair.substr(colon + 1)));
}

bool DatastoreServer::is_locked(const fs::path& relative) const {
  const auto machine = host_.find_by_name(relative.begin()->string());
  return locks_ && machine && machine->record().power == PowerState::on &&
         relative.filename().string().ends_with("-flat.vmdk");
}

HttpResponse DatastoreServer::handle(const HttpRequest& request) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (!reads && request.method != "PUT" && request.method != "DELETE")
    return refusal(405, "Method Not Allowed\n");
  if (trouble_.fails(request.method + " /folder")) return refusal(503, "Service Unavailable\n");
  if (trouble_.refuses(request.method + " /folder")) return refusal(403, "Forbidden\n");
  if (!is_authenticated(request)) {
    HttpResponse response = refusal(401, "Unauthorized\n");
    response.headers.add("WWW-Authenticate", "Basic realm=\"VMware HTTP server\"");
    return response;
  }
  const auto relative = inside(request.path);
  if (!relative || !names_this_datastore(request.query)) return refusal(404, "Not Found\n");
  HttpResponse response = reads ? read(request, *relative) : change(request, *relative);
  if (trouble_.loses_response(request.method + " /folder")) response.status = 0;
  return response;
}

HttpResponse DatastoreServer::read(const HttpRequest& request, const fs::path& relative) {
  if (is_locked(relative)) return refusal(500, "Failed to open: Device or resource busy\n");
  std::error_code absent;
  const fs::path path = host_.datastore() / relative;
  if (!fs::is_regular_file(path, absent)) return refusal(404, "Not Found\n");
  const auto file = File::open(path, File::Mode::read);
  if (!file.ok()) return refusal(500, file.error().message() + "\n");
  const auto size = file->size();
  if (!size.ok()) return refusal(500, size.error().message() + "\n");
  return content(*file, *size, request);
}

HttpResponse DatastoreServer::change(const HttpRequest& request, const fs::path& relative) {
  const auto machine = host_.find_by_name(relative.begin()->string());
  const fs::path path = host_.datastore() / relative;
  if (!machine || path != machine->places().nvram(machine->record())) return refusal(403, "Forbidden\n");
  if (machine->record().power != PowerState::off)
    return refusal(500, "Failed to open: Device or resource busy\n");
  std::error_code absent;
  const bool was_there = fs::exists(path, absent);
  const bool removes = request.method == "DELETE";
  if (removes && !was_there) return refusal(404, "Not Found\n");
  const Result<> done = removes ? remove_file(path) : write_file_atomically(path, request.body);
  if (!done.ok()) return refusal(500, done.error().message() + "\n");
  return HttpResponse::text(was_there ? 200 : 201, "text/plain", "");
}

}  // namespace rekindle::sandbox
