#include "aws/query_client.h"

#include <algorithm>

namespace rekindle {

namespace {

// What AWS grants an account unless it was raised.
constexpr Rate reading{20, 100};
constexpr Rate changing{5, 50};

bool only_reads(std::string_view action) {
  return action.starts_with("Describe") || action.starts_with("Get");
}

// In filter values * and ? are wildcards.
std::string literal(std::string_view value) {
  std::string escaped;
  for (char c : value) {
    if (c == '*' || c == '?' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

QueryForm& QueryForm::set(std::string name, std::string_view value) {
  parameters_.emplace_back(std::move(name), value);
  return *this;
}

QueryForm& QueryForm::set_if(std::string name, std::string_view value) {
  return value.empty() ? *this : set(std::move(name), value);
}

QueryForm& QueryForm::list(std::string_view name, const std::vector<std::string>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) set(fmt::format("{}.{}", name, i + 1), values[i]);
  return *this;
}

QueryForm& QueryForm::filter(std::string_view name, const std::vector<std::string>& values) {
  std::vector<std::string> literals;
  for (const std::string& value : values) literals.push_back(literal(value));
  return patterns(name, literals);
}

QueryForm& QueryForm::patterns(std::string_view name, const std::vector<std::string>& values) {
  const std::string prefix = fmt::format("Filter.{}", ++filters_);
  set(prefix + ".Name", name);
  return list(prefix + ".Value", values);
}

QueryForm& QueryForm::tag_filters(const std::map<std::string, std::string>& tags) {
  for (const auto& [key, value] : tags) filter("tag:" + key, {value});
  return *this;
}

QueryForm& QueryForm::tags_of(std::string_view resource_type,
                              const std::map<std::string, std::string>& tags) {
  if (tags.empty()) return *this;
  const std::string prefix = fmt::format("TagSpecification.{}", ++tag_specifications_);
  set(prefix + ".ResourceType", resource_type);
  int number = 0;
  for (const auto& [key, value] : tags) {
    ++number;
    set(fmt::format("{}.Tag.{}.Key", prefix, number), key);
    set(fmt::format("{}.Tag.{}.Value", prefix, number), value);
  }
  return *this;
}

std::string QueryForm::encode(std::string_view version) const {
  QueryParameters all{{"Action", action_}, {"Version", std::string(version)}};
  all.insert(all.end(), parameters_.begin(), parameters_.end());
  return encode_query(all);
}

CallQuota& QueryClient::quota_of(const std::string& action) {
  const std::lock_guard lock(mutex_);
  auto& quota = quotas_[action];
  if (!quota) quota = std::make_unique<CallQuota>(only_reads(action) ? reading : changing, clock_);
  return *quota;
}

Result<std::variant<QueryAnswer, AwsFault>> QueryClient::send(const QueryForm& form,
                                                              const QueryOptions& options) {
  ServiceCall call;
  call.action = form.action();
  call.request.method = "POST";
  call.request.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  call.request.body = to_bytes(as_bytes(form.encode(version_)));
  call.request.timeout = options.timeout;
  call.request.connect_timeout = std::min(call.request.connect_timeout, options.timeout);
  call.repeatable = options.repeatable;
  call.attempts = options.attempts;
  call.settle_for = options.settle_for;
  call.removes = options.removes;
  call.makes = options.makes;
  call.quota = &quota_of(form.action());
  ServiceReply reply = TRY(service_->send(std::move(call)), "{}", form.action());
  if (reply.fault) return std::variant<QueryAnswer, AwsFault>(*std::move(reply.fault));
  QueryAnswer answer = TRY(QueryAnswer::parse(reply.response.body), "{}", form.action());
  return std::variant<QueryAnswer, AwsFault>(std::move(answer));
}

Result<QueryAnswer> QueryClient::call(const QueryForm& form, const QueryOptions& options) {
  auto reply = TRY(send(form, options));
  if (const auto* fault = std::get_if<AwsFault>(&reply)) return service_->error_of(*fault, form.action());
  return std::get<QueryAnswer>(std::move(reply));
}

Result<> QueryClient::pages(const QueryForm& form, const std::function<Result<>(const QueryElement&)>& read) {
  std::string next;
  do {
    QueryForm page = form;
    page.set_if("NextToken", next);
    const QueryAnswer answer = TRY(call(page));
    TRY(read(answer.root()), "{}", form.action());
    const std::string following = answer.root().text("nextToken");
    if (!following.empty() && following == next) {
      return error(ErrorCode::internal, "{}: AWS answers the same page token again and again", form.action());
    }
    next = following;
  } while (!next.empty());
  return {};
}

}  // namespace rekindle
