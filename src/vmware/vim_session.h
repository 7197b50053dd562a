// One login at one vSphere server, shared by all threads: servers hand out few sessions and end idle ones
// after 30 minutes. A session that the server ended is renewed without a word, once per call.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/retry.h"
#include "net/http.h"
#include "vmware/fault.h"
#include "vmware/managed_object.h"

namespace rekindle {

struct VimAbout {
  std::string name;         // "VMware vCenter Server"
  std::string full_name;    // "VMware vCenter Server 8.0.2 build-22385739"
  std::string version;      // "8.0.2"
  std::string api_type;     // "VirtualCenter" or "HostAgent" (a standalone ESXi host)
  std::string api_version;  // "8.0.2.0"

  bool is_vcenter() const { return api_type == "VirtualCenter"; }
};

// The ids differ between servers: always taken from here.
struct ServiceContent {
  VimAbout about;
  ManagedObject root_folder;
  ManagedObject property_collector;
  ManagedObject view_manager;
  ManagedObject session_manager;
  std::string spoken_version;  // of the API, in our requests
};

struct VimLogin {
  std::string url;
  std::string user{};
  std::string password{};
  std::chrono::milliseconds call_timeout{120000};  // of one attempt
  RetryPolicy retry{};
  std::stop_token stop{};  // ends retries and downloads
};

struct VimCall {
  ManagedObject self;
  std::string method;
  std::string arguments{};                  // XML, in the order of the schema
  std::chrono::milliseconds extra_time{0};  // the server may hold the answer for so long
  std::stop_token stop{};
};

// What a call came back with: <returnval>s or a fault.
class VimReply {
 public:
  VimReply(std::shared_ptr<const XmlDocument> document, XmlElement response)
      : document_(std::move(document)), response_(response) {}

  // The element <MethodResponse>. Valid as long as document() is held.
  const XmlElement& response() const { return response_; }
  XmlElement value() const { return response_.child("returnval"); }
  const std::shared_ptr<const XmlDocument>& document() const { return document_; }

 private:
  std::shared_ptr<const XmlDocument> document_;
  XmlElement response_;
};

// A reply, or the server's fault, or (as the error of a Result) no usable answer at all.
struct VimOutcome {
  std::optional<VimReply> reply;
  VimFault fault;  // when there is no reply
};

class VimSession {
 public:
  // What the server says without a login.
  static Result<ServiceContent> ask(const VimLogin& login, HttpTransport& transport);

  // Logs in. The references outlive the session.
  static Result<std::unique_ptr<VimSession>> open(VimLogin login, HttpTransport& transport, Clock& clock,
                                                  Random& random);
  ~VimSession();  // logs out, if the server can be reached
  VimSession(const VimSession&) = delete;
  VimSession& operator=(const VimSession&) = delete;

  const ServiceContent& service() const { return service_; }
  const std::string& origin() const { return origin_; }  // "https://host:port"
  const RetryPolicy& retry() const { return login_.retry; }

  // One attempt, and one more after a new login when the session was gone. For calls that must not happen
  // twice.
  Result<VimOutcome> call_with_faults(const VimCall& call);
  Result<VimReply> call_once(const VimCall& call);
  // For idempotent calls: with retries.
  Result<VimReply> call(const VimCall& call);

  // A GET beside /sdk with the session's cookie: with retries. 503 is `unavailable`, 401 renews the session
  // and is `unauthenticated` if it comes again; any other status is the caller's to judge.
  Result<HttpResponse> get(const std::string& url, const HttpHeaders& headers,
                           std::size_t max_response_bytes);
  // Likewise, a PUT of a whole file, and a DELETE.
  Result<HttpResponse> put(const std::string& url, ByteView content);
  Result<HttpResponse> remove(const std::string& url);

  // For several calls that belong together, because they use objects that die with the session (views,
  // collectors, tokens): runs them again after a transient error, and once when the session was renewed
  // meanwhile.
  template <typename Sequence>
  auto in_one_session(Sequence&& sequence) -> decltype(sequence()) {
    return with_retries(login_.retry, clock_, random_, {}, [&] {
      const int before = generation();
      auto result = sequence();
      if (result.ok() || generation() == before) return result;
      return sequence();
    });
  }

 private:
  VimSession(VimLogin login, std::string origin, ServiceContent service, HttpTransport& transport,
             Clock& clock, Random& random);

  struct Ticket {
    std::string cookie;
    int generation = 0;
  };
  int generation();
  // A session later than `stale`; logs in if nobody did meanwhile.
  Result<Ticket> session_after(int stale);
  Result<std::string> log_in();
  void log_out();
  Result<HttpResponse> exchange(const HttpRequest& request);
  Result<HttpResponse> exchange_once(HttpRequest request);

  const VimLogin login_;
  const std::string origin_;
  const ServiceContent service_;
  HttpTransport& transport_;
  Clock& clock_;
  Random& random_;

  std::mutex mutex_;
  std::string cookie_;  // empty: not logged in
  int generation_ = 0;  // counts logins
  std::optional<Error>
      refusal_;  // of the last login: not asked again for a while, lest the account be locked
  Time refused_at_{};
};

}  // namespace rekindle
