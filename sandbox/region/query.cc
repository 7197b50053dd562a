#include "sandbox/region/query.h"

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "net/url.h"
#include "sandbox/region/digest.h"

namespace rekindle::sandbox {

namespace {

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

bool wildcard_match(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return wildcard_match(pattern.substr(1), text) ||
           (!text.empty() && wildcard_match(pattern, text.substr(1)));
  }
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
         wildcard_match(pattern.substr(1), text.substr(1));
}

}  // namespace

Parameters Parameters::parse(std::string_view form) {
  std::map<std::string, std::string> values;
  for (auto& [name, value] : parse_query(form)) values[name] = value;
  return Parameters(std::move(values));
}

bool Parameters::has_any(const std::string& prefix) const {
  return has(prefix) || !under(prefix).values_.empty();
}

std::string Parameters::text(const std::string& name, std::string_view otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string(otherwise) : found->second;
}

Outcome<std::string> Parameters::required(const std::string& name) const {
  std::string value = text(name);
  if (value.empty()) return refuse("MissingParameter", "The request must contain the parameter {}", name);
  return value;
}

Outcome<std::int64_t> Parameters::number(const std::string& name, std::int64_t otherwise) const {
  if (!has(name)) return otherwise;
  const auto value = to_number(text(name));
  if (!value)
    return refuse("InvalidParameterValue", "Value ({}) for parameter {} is invalid. Expected an integer.",
                  text(name), name);
  return *value;
}

Outcome<bool> Parameters::flag(const std::string& name, bool otherwise) const {
  if (!has(name)) return otherwise;
  const std::string value = text(name);
  if (value == "true" || value == "True" || value == "1") return true;
  if (value == "false" || value == "False" || value == "0") return false;
  return refuse("InvalidParameterValue", "Value ({}) for parameter {} is invalid. Expected a boolean.", value,
                name);
}

Parameters Parameters::under(const std::string& name) const {
  const std::string prefix = name + ".";
  std::map<std::string, std::string> inner;
  for (auto at = values_.lower_bound(prefix); at != values_.end() && at->first.starts_with(prefix); ++at) {
    inner[at->first.substr(prefix.size())] = at->second;
  }
  return Parameters(std::move(inner));
}

std::vector<std::string> Parameters::list(const std::string& name) const {
  std::map<std::int64_t, std::string> numbered;
  for (const auto& [rest, value] : under(name).values_) {
    if (const auto number = to_number(rest)) numbered[*number] = value;
  }
  std::vector<std::string> values;
  for (auto& [number, value] : numbered) values.push_back(std::move(value));
  return values;
}

std::vector<Parameters> Parameters::structures(const std::string& name) const {
  std::map<std::int64_t, std::map<std::string, std::string>> numbered;
  for (const auto& [rest, value] : under(name).values_) {
    const auto dot = rest.find('.');
    if (dot == std::string::npos) continue;
    if (const auto number = to_number(std::string_view(rest).substr(0, dot)))
      numbered[*number][rest.substr(dot + 1)] = value;
  }
  std::vector<Parameters> all;
  for (auto& [number, values] : numbered) all.emplace_back(std::move(values));
  return all;
}

std::string Parameters::fingerprint() const {
  std::string text;
  for (const auto& [name, value] : values_) {
    if (name != "ClientToken") text += percent_encode(name) + "=" + percent_encode(value) + "&";
  }
  return to_hex(sha256(as_bytes(text)));
}

bool Filter::matches(std::string_view value) const {
  return std::any_of(values.begin(), values.end(),
                     [&](const std::string& pattern) { return wildcard_match(pattern, value); });
}

std::vector<Filter> filters_of(const Parameters& parameters) {
  std::vector<Filter> filters;
  for (const Parameters& one : parameters.structures("Filter"))
    filters.push_back({one.text("Name"), one.list("Value")});
  return filters;
}

Outcome<> one_of(const std::string& parameter, const std::string& value,
                 const std::vector<std::string>& allowed) {
  if (value.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return {};
  return refuse("InvalidParameterValue", "Value ({}) for parameter {} is invalid. Valid values: {}", value,
                parameter, fmt::join(allowed, ", "));
}

Outcome<Tags> tag_list(const Parameters& parameters, const std::string& name) {
  Tags tags;
  for (const Parameters& tag : parameters.structures(name)) {
    const std::string key = TRY(tag.required("Key"));
    if (key.starts_with("aws:") || key.size() > 128 || tag.text("Value").size() > 256) {
      return refuse(
          "InvalidParameterValue",
          "Tag keys must not begin with aws: and have at most 128 characters, values at most 256: '{}'", key);
    }
    tags[key] = tag.text("Value");
  }
  if (tags.size() > 50) return refuse("TagLimitExceeded", "More than 50 tags on one resource");
  return tags;
}

Outcome<Tags> tags_on_create(const Parameters& parameters, std::string_view resource_type) {
  Tags all;
  for (const Parameters& specification : parameters.structures("TagSpecification")) {
    if (specification.text("ResourceType") != resource_type) continue;
    const Tags tags = TRY(tag_list(specification, "Tag"));
    all.insert(tags.begin(), tags.end());
  }
  return all;
}

Outcome<std::int64_t> initialization_rate(const Parameters& parameters, const std::string& snapshot_id) {
  if (!parameters.has("VolumeInitializationRate")) return std::int64_t{0};
  const std::int64_t rate = TRY(parameters.number("VolumeInitializationRate", 0));
  if (rate < 100 || rate > 300) {
    return refuse("InvalidParameterValue",
                  "Value ({}) for parameter VolumeInitializationRate is invalid. Valid values: 100-300",
                  rate);
  }
  if (snapshot_id.empty()) {
    return refuse("InvalidParameterCombination",
                  "The parameter VolumeInitializationRate can only be used with a snapshot");
  }
  return rate;
}

Outcome<std::vector<DeviceMapping>> device_mappings(const Parameters& parameters) {
  std::vector<DeviceMapping> mappings;
  for (const Parameters& one : parameters.structures("BlockDeviceMapping")) {
    DeviceMapping mapping;
    mapping.device = TRY(one.required("DeviceName"));
    mapping.no_device = one.has("NoDevice");
    const Parameters ebs = one.under("Ebs");
    mapping.snapshot_id = ebs.text("SnapshotId");
    mapping.volume_type = ebs.text("VolumeType");
    mapping.kms_key_id = ebs.text("KmsKeyId");
    mapping.size_gib = TRY(ebs.number("VolumeSize", 0));
    mapping.iops = TRY(ebs.number("Iops", 0));
    mapping.throughput = TRY(ebs.number("Throughput", 0));
    mapping.initialization_rate = TRY(initialization_rate(ebs, "of the image or its own"));
    mapping.encrypted = TRY(ebs.flag("Encrypted", false));
    mapping.delete_on_termination = TRY(ebs.flag("DeleteOnTermination", true));
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

namespace {
constexpr std::string_view token_prefix = "after:";
}

std::string page_token(const std::string& last_id) {
  return to_base64(as_bytes(std::string(token_prefix) + last_id));
}

Outcome<Page> page_of(const Parameters& parameters) {
  Page page;
  if (parameters.has("MaxResults")) {
    const std::int64_t limit = TRY(parameters.number("MaxResults", 0));
    if (limit < 5) {
      return refuse("InvalidParameterValue",
                    "Value ( {} ) for parameter maxResults is invalid. Expecting a value greater than 5.",
                    limit);
    }
    page.limit = static_cast<std::size_t>(std::min<std::int64_t>(limit, 1000));
  }
  const std::string token = parameters.text("NextToken");
  if (token.empty()) return page;
  const auto decoded = from_base64(token);
  if (!decoded.ok() || !as_text(*decoded).starts_with(token_prefix)) {
    return refuse("InvalidNextToken", "The token '{}' is invalid", token);
  }
  page.after = std::string(as_text(*decoded).substr(token_prefix.size()));
  return page;
}

}  // namespace rekindle::sandbox
