#include "vmware/vim_session.h"

#include "net/url.h"
#include "vmware/soap.h"

namespace rekindle {

namespace {

constexpr std::chrono::milliseconds logout_timeout{5000};
// After a refused password; directories lock accounts after a few wrong ones.
constexpr std::chrono::minutes login_pause{1};

Result<std::string> origin_of(const std::string& url) {
  const bool has_scheme = url.find("://") != std::string::npos;
  const Url parsed = TRY(parse_url(has_scheme ? url : "https://" + url));
  if (parsed.scheme != "https" && parsed.scheme != "http") {
    return error(ErrorCode::invalid_argument, "'{}' is not the URL of a vSphere server: use https://host",
                 url);
  }
  return parsed.origin();
}

// "vmware_soap_session=..." as the server gave it (vCenter puts the value in quotes, which belong to it).
std::string session_cookie(const HttpResponse& answer) {
  for (const auto& [name, value] : answer.headers) {
    if (equal_ignoring_case(name, "Set-Cookie") && value.starts_with("vmware_soap_session=")) {
      return value.substr(0, value.find(';'));
    }
  }
  return {};
}

Result<std::string> ask_version(const std::string& origin, HttpTransport& transport,
                                std::chrono::milliseconds timeout) {
  HttpRequest request;
  request.url = origin + "/sdk/vimServiceVersions.xml";
  request.timeout = timeout;
  request.max_response_bytes = mib;
  const HttpResponse answer = TRY(transport.send(request));
  return choose_version(answer.status == 200 ? answer.body_text() : std::string_view());
}

ServiceContent read_service_content(const XmlElement& value) {
  const XmlElement about = value.child("about");
  ServiceContent content;
  content.about = {about.child("name").text(), about.child("fullName").text(), about.child("version").text(),
                   about.child("apiType").text(), about.child("apiVersion").text()};
  content.root_folder = read_reference(value.child("rootFolder"));
  content.property_collector = read_reference(value.child("propertyCollector"));
  content.view_manager = read_reference(value.child("viewManager"));
  content.session_manager = read_reference(value.child("sessionManager"));
  return content;
}

}  // namespace

Result<ServiceContent> VimSession::ask(const VimLogin& login, HttpTransport& transport) {
  const std::string origin = TRY(origin_of(login.url));
  const std::string version = TRY(ask_version(origin, transport, login.call_timeout));
  HttpRequest request = soap_request(
      origin, version, {.self = {"ServiceInstance", "ServiceInstance"}, .method = "RetrieveServiceContent"});
  request.timeout = login.call_timeout;
  const HttpResponse answer = TRY(transport.send(request));
  const VimOutcome outcome = TRY(read_soap_answer(answer, "RetrieveServiceContent"), "{}", origin);
  if (!outcome.reply) return to_error(outcome.fault).context("{}", origin);
  ServiceContent content = read_service_content(outcome.reply->value());
  if (content.property_collector.value.empty() || content.session_manager.value.empty()) {
    return error(ErrorCode::invalid_argument, "{} is no vCenter Server or ESXi host: check the URL", origin);
  }
  content.spoken_version = version;
  return content;
}

Result<std::unique_ptr<VimSession>> VimSession::open(VimLogin login, HttpTransport& transport, Clock& clock,
                                                     Random& random) {
  std::string origin = TRY(origin_of(login.url));
  auto service =
      TRY(with_retries(login.retry, clock, random, login.stop, [&] { return ask(login, transport); }));
  std::unique_ptr<VimSession> session(
      new VimSession(std::move(login), std::move(origin), std::move(service), transport, clock, random));
  const auto& policy = session->login_.retry;
  TRY(with_retries(policy, clock, random, session->login_.stop, [&] { return session->session_after(0); }));
  return session;
}

VimSession::VimSession(VimLogin login, std::string origin, ServiceContent service, HttpTransport& transport,
                       Clock& clock, Random& random)
    : login_(std::move(login)),
      origin_(std::move(origin)),
      service_(std::move(service)),
      transport_(transport),
      clock_(clock),
      random_(random) {}

VimSession::~VimSession() {
  log_out();
}

int VimSession::generation() {
  const std::lock_guard lock(mutex_);
  return generation_;
}

Result<VimSession::Ticket> VimSession::session_after(int stale) {
  const std::lock_guard lock(mutex_);
  if (generation_ > stale) return Ticket{cookie_, generation_};
  if (refusal_ && clock_.now() - refused_at_ < login_pause) return *refusal_;
  auto cookie = log_in();
  if (!cookie.ok()) {
    if (cookie.error().code() == ErrorCode::unauthenticated) {
      refusal_ = cookie.error();
      refused_at_ = clock_.now();
    }
    return std::move(cookie).error();
  }
  refusal_.reset();
  cookie_ = *std::move(cookie);
  ++generation_;
  return Ticket{cookie_, generation_};
}

Result<std::string> VimSession::log_in() {
  HttpRequest request = soap_request(
      origin_, service_.spoken_version,
      {.self = service_.session_manager,
       .method = "Login",
       .arguments = xml_element("userName", login_.user) + xml_element("password", login_.password)});
  request.timeout = login_.call_timeout;
  const HttpResponse answer = TRY(transport_.send(request));
  const VimOutcome outcome = TRY(read_soap_answer(answer, "Login"), "{}", origin_);
  if (!outcome.reply && outcome.fault.type == "InvalidLogin") {
    return error(ErrorCode::unauthenticated,
                 "{} refused user '{}': check the user name and the password, and give the right ones with "
                 "`rekindle datacenter add`",
                 origin_, login_.user);
  }
  if (!outcome.reply)
    return to_error(outcome.fault).context("logging in at {} as '{}'", origin_, login_.user);
  std::string cookie = session_cookie(answer);
  if (cookie.empty()) return error(ErrorCode::internal, "{} accepted the login but gave no session", origin_);
  return cookie;
}

void VimSession::log_out() {
  if (cookie_.empty()) return;
  HttpRequest request =
      soap_request(origin_, service_.spoken_version, {.self = service_.session_manager, .method = "Logout"});
  request.headers.add("Cookie", cookie_);
  request.connect_timeout = logout_timeout;
  request.timeout = logout_timeout;
  const auto answer = transport_.send(request);
  static_cast<void>(answer.ok());  // a session that cannot be ended ends by itself when it was idle for long
}

Result<VimOutcome> VimSession::call_with_faults(const VimCall& call) {
  int stale = 0;
  for (int attempt = 1;; ++attempt) {
    const Ticket ticket = TRY(session_after(stale));
    HttpRequest request = soap_request(origin_, service_.spoken_version, call);
    request.headers.add("Cookie", ticket.cookie);
    request.timeout = login_.call_timeout + call.extra_time;
    const HttpResponse answer = TRY(transport_.send(request), "{}", call.method);
    VimOutcome outcome = TRY(read_soap_answer(answer, call.method), "{}", origin_);
    if (attempt == 2 || !says_not_authenticated(outcome)) return outcome;
    stale = ticket.generation;
  }
}

Result<VimReply> VimSession::call_once(const VimCall& call) {
  VimOutcome outcome = TRY(call_with_faults(call));
  if (!outcome.reply) return to_error(outcome.fault).context("{}", call.method);
  return *std::move(outcome.reply);
}

Result<VimReply> VimSession::call(const VimCall& call) {
  return with_retries(login_.retry, clock_, random_, call.stop, [&] { return call_once(call); });
}

Result<HttpResponse> VimSession::get(const std::string& url, const HttpHeaders& headers,
                                     std::size_t max_response_bytes) {
  HttpRequest request;
  request.url = url;
  request.headers = headers;
  request.max_response_bytes = max_response_bytes;
  return exchange(request);
}

Result<HttpResponse> VimSession::put(const std::string& url, ByteView content) {
  HttpRequest request;
  request.method = "PUT";
  request.url = url;
  request.headers.add("Content-Type", "application/octet-stream");
  request.body = to_bytes(content);
  request.max_response_bytes = mib;
  return exchange(request);
}

Result<HttpResponse> VimSession::remove(const std::string& url) {
  HttpRequest request;
  request.method = "DELETE";
  request.url = url;
  request.max_response_bytes = mib;
  return exchange(request);
}

Result<HttpResponse> VimSession::exchange(const HttpRequest& request) {
  return with_retries(login_.retry, clock_, random_, login_.stop, [&] { return exchange_once(request); });
}

Result<HttpResponse> VimSession::exchange_once(HttpRequest request) {
  request.timeout = login_.call_timeout;
  request.stop = login_.stop;
  int stale = 0;
  for (int attempt = 1;; ++attempt) {
    const Ticket ticket = TRY(session_after(stale));
    request.headers.set("Cookie", ticket.cookie);
    HttpResponse answer = TRY(transport_.send(request));
    if (answer.status >= 502 && answer.status <= 504) {
      return error(ErrorCode::unavailable, "{} is overloaded (HTTP {})", origin_, answer.status);
    }
    if (answer.status != 401) return answer;
    if (attempt == 2) {
      return error(ErrorCode::unauthenticated,
                   "{} refused the transfer of a file in a session it had just opened", origin_);
    }
    stale = ticket.generation;
  }
}

}  // namespace rekindle
