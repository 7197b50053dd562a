#include "vmware/soap.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace rekindle {

namespace {

constexpr std::string_view oldest_version = "5.5";
// Requests follow the schema of this version; servers refuse elements newer than the version a request names.
constexpr std::string_view newest_version = "7.0.3.2";
constexpr std::size_t max_answer_bytes = 128 * mib;  // an inventory page of 100 large machines is about 5 MiB

std::vector<int> version_numbers(std::string_view version) {
  std::vector<int> numbers;
  while (!version.empty()) {
    const auto dot = version.find('.');
    const std::string_view part = version.substr(0, dot);
    int number = 0;
    const auto [end, failure] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (failure != std::errc() || end != part.data() + part.size()) return {};
    numbers.push_back(number);
    version = dot == std::string_view::npos ? std::string_view() : version.substr(dot + 1);
  }
  return numbers;
}

void collect_versions(const XmlElement& element, std::vector<std::string>& versions) {
  for (const XmlElement& part : element.children()) {
    if (part.name() == "version") versions.push_back(part.text());
    if (part.name() == "priorVersions") collect_versions(part, versions);
  }
}

Error not_an_answer(const HttpResponse& answer, std::string_view method) {
  if (answer.status >= 502 && answer.status <= 504) {
    return error(ErrorCode::unavailable, "the server is starting or overloaded (HTTP {} to {})",
                 answer.status, method);
  }
  if (answer.status == 401 || answer.status == 403) {
    return error(ErrorCode::permission_denied, "HTTP {} to {}: is there a proxy that wants its own login?",
                 answer.status, method);
  }
  return error(ErrorCode::invalid_argument,
               "HTTP {} to {}, and no SOAP: this is no vCenter Server or ESXi host; check the URL",
               answer.status, method);
}

}  // namespace

HttpRequest soap_request(const std::string& origin, std::string_view version, const VimCall& call) {
  HttpRequest request;
  request.method = "POST";
  request.url = origin + "/sdk";
  request.headers.add("Content-Type", "text/xml; charset=utf-8");
  request.headers.add("SOAPAction", fmt::format("\"urn:vim25/{}\"", version));
  const std::string body = fmt::format(
      R"(<?xml version="1.0" encoding="UTF-8"?>)"
      R"(<soapenv:Envelope xmlns:soapenv="{0}" xmlns:xsd="http://www.w3.org/2001/XMLSchema" )"
      R"(xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><{1} xmlns="{2}">{3}{4}</{1}>)"
      R"(</soapenv:Body></soapenv:Envelope>)",
      soap_namespace, call.method, vim_namespace, xml_reference("_this", call.self), call.arguments);
  request.body = to_bytes(as_bytes(body));
  request.max_response_bytes = max_answer_bytes;
  request.stop = call.stop;
  return request;
}

Result<VimOutcome> read_soap_answer(const HttpResponse& answer, std::string_view method) {
  auto document = XmlDocument::parse(answer.body_text());
  if (!document.ok() && answer.status != 200) return not_an_answer(answer, method);
  if (!document.ok()) return std::move(document).error().context("{}", method);
  const XmlElement body = (*document)->root().child_of(soap_namespace, "Body");
  if (!body || body.children().empty()) return not_an_answer(answer, method);
  const XmlElement content = body.children().front();
  if (content.is(soap_namespace, "Fault")) return VimOutcome{std::nullopt, read_soap_fault(content)};
  if (!content.is(vim_namespace, fmt::format("{}Response", method))) {
    return error(ErrorCode::internal, "the server answered {} with <{}>", method, content.name());
  }
  return VimOutcome{VimReply(*document, content), {}};
}

bool says_not_authenticated(const VimOutcome& outcome) {
  if (!outcome.reply) return outcome.fault.type == "NotAuthenticated";
  const XmlElement value = outcome.reply->value();
  const XmlElement filters = value.child("filterSet");  // WaitForUpdatesEx
  for (const XmlElement& objects : {value, filters}) {
    for (const std::string_view list : {"objects", "objectSet"}) {
      for (const XmlElement& object : objects.children(list)) {
        for (const XmlElement& missing : object.children("missingSet")) {
          if (missing.at("fault.fault").xsi_type() == "NotAuthenticated") return true;
        }
      }
    }
  }
  return false;
}

std::string choose_version(std::string_view service_versions_xml) {
  const auto document = XmlDocument::parse(service_versions_xml);
  std::string best(oldest_version);
  if (!document.ok()) return best;
  for (const XmlElement& space : (*document)->root().children()) {
    const auto parts = space.children();
    const bool is_vim = std::ranges::any_of(
        parts, [](const XmlElement& part) { return part.name() == "name" && part.text() == vim_namespace; });
    if (!is_vim) continue;
    std::vector<std::string> versions;
    collect_versions(space, versions);
    for (const std::string& version : versions) {
      const auto numbers = version_numbers(version);
      if (numbers <= version_numbers(newest_version) && numbers > version_numbers(best)) best = version;
    }
  }
  return best;
}

}  // namespace rekindle
