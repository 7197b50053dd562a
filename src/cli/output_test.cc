#include "cli/output.h"

#include <gtest/gtest.h>

#include <functional>

namespace rekindle {
namespace {

std::string printed(const std::function<void()>& print) {
  testing::internal::CaptureStdout();
  print();
  return testing::internal::GetCapturedStdout();
}
std::string complained(const std::function<void()>& print) {
  testing::internal::CaptureStderr();
  print();
  return testing::internal::GetCapturedStderr();
}

const std::vector<nlohmann::json> machines = {
    {{"name", "web"}, {"size", 12}, {"disks", {"a", "b"}}, {"point", {{"id", "p1"}}}},
    {{"name", "database"}, {"size", nullptr}, {"on", true}}};
const std::vector<Column> columns = {
    {"name", "NAME"}, {"size", "SIZE"}, {"disks", "DISKS"}, {"point.id", "POINT"}};

TEST(Output, DrawsATableWhoseColumnsLineUp) {
  const Output output;
  EXPECT_EQ(printed([&] { output.records(machines, columns); }),
            "NAME      SIZE  DISKS  POINT\n"
            "web       12    a, b   p1\n"
            "database\n");
}

TEST(Output, AnEmptyTableHasItsTitles) {
  EXPECT_EQ(printed([] { Output().records({}, columns); }), "NAME  SIZE  DISKS  POINT\n");
}

TEST(Output, PrintsWholeRecordsAsJson) {
  const Output output{true};
  EXPECT_EQ(nlohmann::json::parse(printed([&] { output.records(machines, columns); })),
            nlohmann::json(machines));
  EXPECT_EQ(nlohmann::json::parse(printed([&] { output.records({}, columns); })), nlohmann::json::array());
  EXPECT_EQ(nlohmann::json::parse(printed([&] { output.record(machines[0]); })), machines[0]);
}

TEST(Output, ShowsARecordFieldByField) {
  const Output output;
  EXPECT_EQ(printed([&] { output.record({{"name", "web"}, {"on", false}, {"parent", nullptr}}); }),
            "name                     web\n"
            "on                       false\n");
}

TEST(Output, SpeaksToPeopleOnly) {
  EXPECT_EQ(printed([] { Output().say("It is done."); }), "It is done.\n");
  EXPECT_EQ(printed([] { Output{true}.say("It is done."); }), "");
}

TEST(Output, ComplainsOnStandardError) {
  const Error why(ErrorCode::not_found, "there is no machine 'wep'");
  EXPECT_EQ(complained([&] { Output().fail(why); }), "rekindle: there is no machine 'wep'\n");
  const auto body = nlohmann::json::parse(complained([&] { Output{true}.fail(why); }));
  EXPECT_EQ(body.at("error").at("code"), "not_found");
  EXPECT_EQ(body.at("error").at("message"), "there is no machine 'wep'");
}

TEST(Output, TellsWhatItWaitsForWithJsonOnStandardError) {
  EXPECT_EQ(printed([] { Output().progress("Waiting."); }), "Waiting.\n");
  const Output output{true};
  EXPECT_EQ(printed([&] {
              EXPECT_EQ(complained([&] { output.progress("Waiting."); }), "{\"progress\":\"Waiting.\"}\n");
            }),
            "");
}

}  // namespace
}  // namespace rekindle
