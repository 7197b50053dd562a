#include "model/prices.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

using nlohmann::json;

Prices built_in() {
  Prices prices;
  prices.source = "the list";
  prices.instance_hour = {{"small", 0.02}};
  prices.volumes["fast"] = {0.08, 0.005, 3000, 0.04, 125};
  prices.image_gib_month = 0.05;
  return prices;
}

std::string refusal(const json& given) {
  const auto changed = changed_prices(built_in(), given);
  return changed.ok() ? "it was accepted" : changed.error().message();
}

TEST(Prices, AreChangedOnlyWhereSomethingIsSaid) {
  const json given = {
      {"currency", "EUR"},
      {"instance_hour", {{"large", "0.2"}}},
      {"volumes", {{"fast", {{"gib_month", "0.1"}, {"iops_free", 6000}}}, {"slow", {{"gib_month", 1}}}}}};
  const Prices changed = changed_prices(built_in(), given).value();
  EXPECT_EQ(changed.currency, "EUR");
  EXPECT_EQ(changed.source, "the list");
  EXPECT_EQ(changed.instance_hour, (std::map<std::string, double>{{"small", 0.02}, {"large", 0.2}}));
  EXPECT_EQ(changed.volumes.at("fast").gib_month, 0.1);
  EXPECT_EQ(changed.volumes.at("fast").iops_free, 6000);
  EXPECT_EQ(changed.volumes.at("fast").iops_month, 0.005);
  EXPECT_EQ(changed.volumes.at("slow").gib_month, 1);
  EXPECT_EQ(changed.image_gib_month, 0.05);
}

TEST(Prices, AreReadAsTheyAreWritten) {
  EXPECT_EQ(to_json(changed_prices({}, to_json(built_in())).value()), to_json(built_in()));
}

TEST(Prices, RefuseWhatIsNone) {
  EXPECT_EQ(refusal({{"instance_hour", {{"small", "cheap"}}}}),
            R"(instance_hour.small: "cheap" is not a price)");
  EXPECT_EQ(refusal({{"image_gib_month", -1}}), "image_gib_month: -1 is not a price");
  EXPECT_EQ(refusal({{"image_gib_month", "nan"}}), R"(image_gib_month: "nan" is not a price)");
  EXPECT_EQ(refusal({{"image_gib_month", "1x"}}), R"(image_gib_month: "1x" is not a price)");
  EXPECT_EQ(refusal({{"volumes", {{"fast", {{"iops_free", 0.5}}}}}}),
            "volumes.fast.iops_free: 0.5 is not a price");
  EXPECT_EQ(refusal({{"instance_hour", 1}}), "instance_hour: types with their prices are wanted");
  EXPECT_EQ(refusal({{"currency", 1}}), "currency: 1 is no text");
  EXPECT_EQ(
      refusal({{"instance_hours", json::object()}}).find("there is no instance_hours in prices; known: "),
      0U);
  EXPECT_EQ(refusal({{"volumes", {{"fast", {{"gb", 1}}}}}}).find("there is no volumes.fast.gb in prices"),
            0U);
  EXPECT_NE(refusal(json::array()), "it was accepted");
}

}  // namespace
}  // namespace rekindle
