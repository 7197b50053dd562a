#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

using testing::HasSubstr;

struct Outcome {
  int status = 0;
  std::string out;
  std::string err;
};

// A program whose workplace cannot be opened: what is decided before anything is touched.
Outcome rekindle(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "rekindle");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const OpenWorkplace open = [](const std::string& home) -> Result<std::unique_ptr<Workplace>> {
    return error(ErrorCode::permission_denied, "{} cannot be opened", home);
  };
  Outcome outcome;
  outcome.status = run_command_line(static_cast<int>(arguments.size()), arguments.data(), open,
                                    [](CLI::App&, const ExtraSession&) {});
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

class Noun : public testing::TestWithParam<const char*> {};

TEST_P(Noun, ExplainsItself) {
  EXPECT_THAT(rekindle({"--help"}).out, HasSubstr(GetParam()));
  const Outcome help = rekindle({GetParam(), "--help"});
  EXPECT_EQ(help.status, 0) << help.err;
  EXPECT_THAT(help.out, HasSubstr("list"));
}

TEST_P(Noun, RefusesAVerbThatIsNot) {
  const Outcome unknown = rekindle({GetParam(), "dance"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_NE(unknown.err, "");
  EXPECT_EQ(rekindle({GetParam()}).status, 2) << "a noun alone is no command";
}

INSTANTIATE_TEST_SUITE_P(All, Noun,
                         testing::Values("datacenter", "account", "vault", "machine", "policy", "plan",
                                         "backup", "point", "replicate", "failover", "job"),
                         [](const auto& noun) { return std::string(noun.param); });

TEST(CommandLine, IsHelpOrANounAndAVerb) {
  EXPECT_EQ(rekindle({}).status, 2);
  EXPECT_EQ(rekindle({"dance"}).status, 2);
  EXPECT_EQ(rekindle({"job", "list", "--dance"}).status, 2);
}

TEST(CommandLine, SaysWhyItFailedAndExitsWithOne) {
  const Outcome failed = rekindle({"--home", "/no/home", "job", "list"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_EQ(failed.err, "rekindle: /no/home cannot be opened\n");
  const Outcome json = rekindle({"--home", "/no/home", "job", "list", "--json"});
  EXPECT_EQ(json.status, 1);
  EXPECT_THAT(json.err, HasSubstr("\"code\":\"permission_denied\""));
  EXPECT_EQ(json.out, "");
}

}  // namespace
}  // namespace rekindle
