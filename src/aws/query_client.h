// AWS's Query protocol: parameters as a form, answers in XML. EC2, STS and IAM speak it.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "aws/query_answer.h"
#include "aws/service_client.h"
#include "net/url.h"

namespace rekindle {

// The form of one call. Lists count from 1: list("InstanceId", {a, b}) is InstanceId.1=a&InstanceId.2=b.
class QueryForm {
 public:
  explicit QueryForm(std::string action) : action_(std::move(action)) {}

  QueryForm& set(std::string name, std::string_view value);
  QueryForm& set_if(std::string name, std::string_view value);  // left out when the value is empty
  QueryForm& flag(std::string name, bool value) { return set(std::move(name), value ? "true" : "false"); }
  QueryForm& list(std::string_view name, const std::vector<std::string>& values);
  // Filter.N.Name, Filter.N.Value.M; further calls add further filters, all of which must match.
  // Wildcards in the values are taken literally.
  QueryForm& filter(std::string_view name, const std::vector<std::string>& values);
  // The same with their wildcards: "t3.*".
  QueryForm& patterns(std::string_view name, const std::vector<std::string>& values);
  // One filter tag:KEY for each.
  QueryForm& tag_filters(const std::map<std::string, std::string>& tags);
  // TagSpecification.N for a kind of resource ("instance", "volume", ...); none when there are no tags.
  QueryForm& tags_of(std::string_view resource_type, const std::map<std::string, std::string>& tags);

  const std::string& action() const { return action_; }
  std::string encode(std::string_view version) const;

 private:
  std::string action_;
  QueryParameters parameters_;
  int filters_ = 0;
  int tag_specifications_ = 0;
};

// How a call may be repeated: see ServiceCall.
struct QueryOptions {
  bool repeatable = true;
  int attempts = 0;
  std::chrono::milliseconds settle_for{0};
  std::chrono::milliseconds timeout{30000};  // of one attempt
  bool removes = false;
  bool makes = false;
};

// Any number of threads. EC2 counts every action in a bucket of its own, per account and region
// (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html); calls wait here for their turn.
class QueryClient {
 public:
  // The references outlive this.
  QueryClient(std::unique_ptr<ServiceClient> service, std::string version, Clock& clock)
      : service_(std::move(service)), version_(std::move(version)), clock_(clock) {}

  // The <...Response> element's document, or an Error made of the fault.
  Result<QueryAnswer> call(const QueryForm& form, const QueryOptions& options = {});
  // The same, with faults left to the caller to explain.
  Result<std::variant<QueryAnswer, AwsFault>> send(const QueryForm& form, const QueryOptions& options = {});
  // All pages: asks with NextToken until AWS gives none. `read` is called once for each page.
  Result<> pages(const QueryForm& form, const std::function<Result<>(const QueryElement& root)>& read);

  const ServiceClient& service() const { return *service_; }

 private:
  CallQuota& quota_of(const std::string& action);

  const std::unique_ptr<ServiceClient> service_;
  const std::string version_;
  Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<CallQuota>> quotas_;
};

}  // namespace rekindle
