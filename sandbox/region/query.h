// The parameters of an EC2 or STS Query call: names like Filter.1.Value.2, all values text.
// Getters refuse in AWS's words: MissingParameter, InvalidParameterValue.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/region/model.h"
#include "sandbox/region/outcome.h"

namespace rekindle::sandbox {

class Parameters {
 public:
  Parameters() = default;
  explicit Parameters(std::map<std::string, std::string> values) : values_(std::move(values)) {}
  // "a=1&b=2", form encoding.
  static Parameters parse(std::string_view form);

  bool has(const std::string& name) const { return values_.contains(name); }
  // Also true for "Name.1", "Name.Part".
  bool has_any(const std::string& prefix) const;
  std::string text(const std::string& name, std::string_view otherwise = "") const;
  Outcome<std::string> required(const std::string& name) const;
  Outcome<std::int64_t> number(const std::string& name, std::int64_t otherwise) const;
  Outcome<bool> flag(const std::string& name, bool otherwise) const;
  // Name.1, Name.2, ... in the order of the numbers.
  std::vector<std::string> list(const std::string& name) const;
  // What begins with Name.1., Name.2., ..., each as parameters of its own, without that beginning.
  std::vector<Parameters> structures(const std::string& name) const;
  // What begins with "name.".
  Parameters under(const std::string& name) const;
  // The same for the same parameters but ClientToken: to tell a repetition from another call.
  std::string fingerprint() const;

 private:
  std::map<std::string, std::string> values_;
};

struct Filter {
  std::string name;
  std::vector<std::string> values;  // any may match; * and ? are wildcards
  bool matches(std::string_view value) const;
};
std::vector<Filter> filters_of(const Parameters& parameters);

// InvalidParameterValue for a value that is neither empty nor allowed.
Outcome<> one_of(const std::string& parameter, const std::string& value,
                 const std::vector<std::string>& allowed);

// TagSpecification.N for this resource type, or an InvalidParameterValue for a tag AWS would refuse.
Outcome<Tags> tags_on_create(const Parameters& parameters, std::string_view resource_type);
// Key/Value pairs under `name`.N.
Outcome<Tags> tag_list(const Parameters& parameters, const std::string& name);

// VolumeInitializationRate: 100 to 300 MiB/s, and of a snapshot; 0 when it is not there.
Outcome<std::int64_t> initialization_rate(const Parameters& parameters, const std::string& snapshot_id);

// EbsDeviceMapping-style lists: BlockDeviceMapping.N.{DeviceName,NoDevice,Ebs.*}
Outcome<std::vector<DeviceMapping>> device_mappings(const Parameters& parameters);

// A page of ascending ids: MaxResults (5 to 1000) of them after NextToken.
struct Page {
  std::string after;      // ids above this one
  std::size_t limit = 0;  // 0: all
};
Outcome<Page> page_of(const Parameters& parameters);
std::string page_token(const std::string& last_id);

}  // namespace rekindle::sandbox
