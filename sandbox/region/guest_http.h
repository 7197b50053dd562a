// HTTP/1.1 as the metadata service speaks it to guests: one request, one answer, and the end of the
// connection.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>

#include "net/http.h"

namespace rekindle::sandbox {

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

constexpr std::size_t longest_guest_head = 16384, longest_guest_body = 49152;

// The answer's bytes, once the request is there: its head, and as much of a body as Content-Length says. To
// what is no request, or has no end where the longest head has one: 400; to a longer body, as soon as it is
// announced: 413.
std::optional<Bytes> answer_http(std::string_view received, const HttpHandler& handler);

}  // namespace rekindle::sandbox
