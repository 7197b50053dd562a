#include "model/prices.h"

#include <charconv>
#include <cmath>

namespace rekindle {

namespace {

using nlohmann::json;

Error no_price(const std::string& field, const json& value) {
  return error(ErrorCode::invalid_argument, "{}: {} is not a price", field, value.dump());
}

// YAML gives a decimal as text.
Result<double> number(const std::string& field, const json& value) {
  double parsed = -1;
  if (value.is_number()) parsed = value.get<double>();
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    const auto read = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return no_price(field, value);
  }
  if (!std::isfinite(parsed) || parsed < 0) return no_price(field, value);
  return parsed;
}

Result<> set(double& price, const std::string& field, const json& value) {
  price = TRY(number(field, value));
  return {};
}

Result<> set(int& count, const std::string& field, const json& value) {
  const double parsed = TRY(number(field, value));
  if (parsed > 1e9 || std::floor(parsed) != parsed) return no_price(field, value);
  count = static_cast<int>(parsed);
  return {};
}

Result<> set(std::string& text, const std::string& field, const json& value) {
  if (!value.is_string()) return error(ErrorCode::invalid_argument, "{}: {} is no text", field, value.dump());
  text = value.get<std::string>();
  return {};
}

Result<> set(VolumePrice& price, const std::string& field, const json& value);

template <typename T>
Result<> set(std::map<std::string, T>& prices, const std::string& field, const json& value) {
  if (!value.is_object())
    return error(ErrorCode::invalid_argument, "{}: types with their prices are wanted", field);
  for (const auto& [type, price] : value.items()) TRY(set(prices[type], field + "." + type, price));
  return {};
}

Error no_such_field(const std::string& field, const char* known) {
  return error(ErrorCode::invalid_argument, "there is no {} in prices; known: {}", field, known);
}

Result<> set(VolumePrice& price, const std::string& field, const json& value) {
  if (!value.is_object())
    return error(ErrorCode::invalid_argument, "{}: something like {{gib_month: 0.1}} is wanted", field);
  for (const auto& [name, one] : value.items()) {
    const std::string path = field + "." + name;
    if (name == "gib_month") {
      TRY(set(price.gib_month, path, one));
    } else if (name == "iops_month") {
      TRY(set(price.iops_month, path, one));
    } else if (name == "iops_free") {
      TRY(set(price.iops_free, path, one));
    } else if (name == "throughput_month") {
      TRY(set(price.throughput_month, path, one));
    } else if (name == "throughput_free") {
      TRY(set(price.throughput_free, path, one));
    } else {
      return no_such_field(path, "gib_month, iops_month, iops_free, throughput_month, throughput_free");
    }
  }
  return {};
}

Result<> set_field(Prices& prices, const std::string& name, const json& value) {
  if (name == "currency") return set(prices.currency, name, value);
  if (name == "region") return set(prices.region, name, value);
  if (name == "source") return set(prices.source, name, value);
  if (name == "instance_hour") return set(prices.instance_hour, name, value);
  if (name == "volumes") return set(prices.volumes, name, value);
  if (name == "volume_type") return set(prices.volume_type, name, value);
  if (name == "image_gib_month") return set(prices.image_gib_month, name, value);
  if (name == "image_put_1000") return set(prices.image_put_1000, name, value);
  if (name == "image_get_1000") return set(prices.image_get_1000, name, value);
  if (name == "proxy_instance_type") return set(prices.proxy_instance_type, name, value);
  return no_such_field(name,
                       "currency, region, source, instance_hour, volumes, volume_type, image_gib_month, "
                       "image_put_1000, image_get_1000, proxy_instance_type");
}

}  // namespace

Result<Prices> changed_prices(Prices prices, const json& given) {
  if (!given.is_object())
    return error(ErrorCode::invalid_argument, "prices are fields like instance_hour and image_gib_month");
  for (const auto& [name, value] : given.items()) TRY(set_field(prices, name, value));
  return prices;
}

json to_json(const Prices& prices) {
  json volumes = json::object();
  for (const auto& [type, price] : prices.volumes) {
    volumes[type] = {{"gib_month", price.gib_month},
                     {"iops_month", price.iops_month},
                     {"iops_free", price.iops_free},
                     {"throughput_month", price.throughput_month},
                     {"throughput_free", price.throughput_free}};
  }
  return {{"currency", prices.currency},
          {"region", prices.region},
          {"source", prices.source},
          {"instance_hour", prices.instance_hour},
          {"volumes", volumes},
          {"volume_type", prices.volume_type},
          {"image_gib_month", prices.image_gib_month},
          {"image_put_1000", prices.image_put_1000},
          {"image_get_1000", prices.image_get_1000},
          {"proxy_instance_type", prices.proxy_instance_type}};
}

}  // namespace rekindle
