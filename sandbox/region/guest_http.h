// HTTP/1.1 as the metadata service speaks it to guests: one request without a body, one answer, and the end
// of the connection.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "net/http.h"

namespace rekindle::sandbox {

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// The answer's bytes, once the head of the request is there; to what is no request: 400.
std::optional<Bytes> answer_http(std::string_view received, const HttpHandler& handler);

}  // namespace rekindle::sandbox
