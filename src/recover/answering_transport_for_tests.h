// For tests: a service that answers as the test says.
#pragma once

#include <functional>

#include "net/http.h"

namespace rekindle {

class AnsweringTransport final : public HttpTransport {
 public:
  // By default nobody listens.
  std::function<Result<HttpResponse>(const HttpRequest&)> answer =
      [](const HttpRequest&) -> Result<HttpResponse> {
    return error(ErrorCode::unavailable, "connection refused");
  };
  int requests = 0;
  std::string last_url;

  Result<HttpResponse> send(const HttpRequest& request) override {
    ++requests;
    last_url = request.url;
    return answer(request);
  }
};

}  // namespace rekindle
