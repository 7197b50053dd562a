#include "model/console_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

using testing::HasSubstr;

bool found(const char* pattern, std::string_view console) {
  return ConsolePattern::parse(pattern).value().is_in(console).value();
}

std::string refusal(const char* pattern) {
  const auto parsed = ConsolePattern::parse(pattern);
  return parsed.ok() ? "accepted" : parsed.error().message();
}

TEST(ConsolePattern, APlainTextFindsItself) {
  EXPECT_TRUE(found("login:", "Debian GNU/Linux 12\r\nweb login: "));
  EXPECT_FALSE(found("login:", "Kernel panic\n"));
  EXPECT_FALSE(found("login:", ""));
}

TEST(ConsolePattern, ATextFindsItselfAlsoWhereItMeansSomethingElseAsAPattern) {
  EXPECT_TRUE(found("[  OK  ] Reached target", "[  OK  ] Reached target Multi-User System.\r\n"));
  EXPECT_FALSE(found("[  OK  ] Reached target", "[FAILED] Reached target Multi-User System.\r\n"));
}

TEST(ConsolePattern, APlainOneIsNoPattern) {
  const ConsolePattern plain = ConsolePattern::plain("*** ready");
  EXPECT_TRUE(plain.is_in("the ledger is\n*** ready ***\n").value());
  EXPECT_FALSE(ConsolePattern::plain("r.*y").is_in("ready").value());
}

TEST(ConsolePattern, IsFoundInALine) {
  EXPECT_TRUE(found("^(web|db)[0-9]* login: ?$", "\x1b[0m\nweb01 login: \r\n"));
  EXPECT_FALSE(found("^(web|db)[0-9]* login: ?$", "the web01 login: \r\n"));
  EXPECT_TRUE(found("\\[ +OK +\\] .*ledger", "[  OK  ] Started the ledger.\n"));
  EXPECT_TRUE(found("[Rr]eady\\b", "ledger is ready."));
  EXPECT_FALSE(found("started.*ready", "started\nready")) << "each line for itself";
}

TEST(ConsolePattern, OfALineThatNeverEndsTheBeginningIsLookedAt) {
  const std::string filler(ConsolePattern::longest_line - 5, 'x');
  EXPECT_TRUE(found("ready", filler + "ready"));
  EXPECT_FALSE(found("ready", filler + "x" + "ready"));
  EXPECT_TRUE(found("ready", filler + "xready" + "\n" + "ready"));
}

// Exponential in the length of the line, for who tries one way after the other.
TEST(ConsolePattern, ASearchDoesNotExplode) {
  EXPECT_FALSE(found("^(a+)+b$", std::string(ConsolePattern::longest_line, 'a')));
  EXPECT_TRUE(found("^(a+)+b$", std::string(ConsolePattern::longest_line - 1, 'a') + "b"));
}

TEST(ConsolePattern, RefusesWhatIsNoneOrSaysNothing) {
  for (const char* wrong : {"*** ready", "(ready", "[ready", "ready\\", "a{2,1}", "(?<", "(a)\\1"}) {
    const auto parsed = ConsolePattern::parse(wrong);
    ASSERT_FALSE(parsed.ok()) << wrong;
    EXPECT_EQ(parsed.error().code(), ErrorCode::invalid_argument);
    EXPECT_THAT(parsed.error().message(), HasSubstr("is not a regular expression ("));
  }
  for (const char* empty : {"", ".*", "(ready)?", "^$"})
    EXPECT_THAT(refusal(empty), HasSubstr("is found in an empty line, too")) << empty;
  EXPECT_THAT(refusal(std::string(501, 'x').c_str()), HasSubstr("it has 501 characters"));
}

}  // namespace
}  // namespace rekindle
