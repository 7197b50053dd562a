// For tests: an HttpTransport whose answers are written down beforehand, one for each request, in order. What
// was asked is kept.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "net/http.h"
#include "net/url.h"

namespace rekindle {

class CannedTransport final : public HttpTransport {
 public:
  void answer(HttpResponse response) { answers_.emplace_back(std::move(response)); }
  void answer(int status, std::string_view body, HttpHeaders headers = {}) {
    HttpResponse response;
    response.status = status;
    response.headers = std::move(headers);
    response.body = to_bytes(as_bytes(body));
    answers_.emplace_back(std::move(response));
  }
  void lose_connection() { answers_.emplace_back(error(ErrorCode::unavailable, "connection reset")); }

  Result<HttpResponse> send(const HttpRequest& request) override {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    requests_.back().body = to_bytes(request.content());
    requests_.back().borrowed_body = {};
    if (answers_.empty()) return error(ErrorCode::internal, "no answer was written down for {}", request.url);
    Result<HttpResponse> next = std::move(answers_.front());
    answers_.pop_front();
    return next;
  }

  const std::vector<HttpRequest>& requests() const { return requests_; }
  std::size_t unused() const { return answers_.size(); }
  // A parameter of the form that request number `index` posted; "" if it is absent.
  std::string form(std::size_t index, std::string_view name) const {
    for (const auto& [key, value] : parse_query(requests_.at(index).body_text())) {
      if (key == name) return value;
    }
    return {};
  }
  std::string query(std::size_t index, std::string_view name) const {
    const auto url = parse_url(requests_.at(index).url);
    for (const auto& [key, value] : parse_query(url->query, false)) {
      if (key == name) return value;
    }
    return {};
  }

 private:
  std::mutex mutex_;
  std::deque<Result<HttpResponse>> answers_;
  std::vector<HttpRequest> requests_;
};

}  // namespace rekindle
