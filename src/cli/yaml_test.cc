#include "cli/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Yaml, WhatIsWrittenIsReadBackTheSame) {
  const json value = {{"name", "dr"},
                      {"count", 3},
                      {"negative", -7},
                      {"on", true},
                      {"nothing", nullptr},
                      {"words", {"a", "b c", ""}},
                      {"looks_like_a_number", "42"},
                      {"looks_like_a_word", "true"},
                      {"leading_zero", "007"},
                      {"address", "10.20.1.42"},
                      {"script", "#!/bin/sh\necho 'hello: world'\n"},
                      {"no_end", "a\nb"},
                      {"two_ends", "a\n\n"},
                      {"indented", "  a\nb\n"},
                      {"tabs", "a\n\tb\n"},
                      {"odd", "- a: {b} # c"},
                      {"empty", json::object()},
                      {"nested", {{{"machine", "web"}, {"tags", {{"a", "b"}}}}}}};
  const auto back = parse_yaml(to_yaml(value));
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(*back, value) << to_yaml(value);
}

TEST(Yaml, SaysTheLineOfWhatIsWrong) {
  EXPECT_THAT(parse_yaml("a: 1\nb: [1, 2\n").error().message(), HasSubstr("line 3"));
  EXPECT_THAT(parse_yaml("a: 1\na: 2\n").error().message(), HasSubstr("line 2: 'a' stands twice"));
  EXPECT_EQ(parse_yaml("a: b: c").error().code(), ErrorCode::invalid_argument);
}

TEST(Yaml, RefusesWhatGrowsWithoutEnd) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) text += (k > 0 ? ", " : "") + before;
    text += "]\n";
  }
  EXPECT_THAT(parse_yaml(text).error().message(), HasSubstr("too many values"));
}

TEST(Yaml, FindsFieldsThatAreNotKnown) {
  const json given = {
      {"name", "dr"}, {"machines", {{{"machine", "web"}, {"subnet", "s"}}}}, {"left_out", ""}};
  const json known = {{"name", "dr"}, {"machines", {{{"machine", "web"}}}}};
  EXPECT_THAT(unknown_fields(given, known), ElementsAre("machines[0].subnet"));
  EXPECT_THAT(unknown_fields(known, known), IsEmpty());
}

TEST(Yaml, TellsWhatChanged) {
  const json before = {{"a", 1}, {"list", {{{"x", "old"}}}}, {"gone", true}};
  const json after = {{"a", 2}, {"list", {{{"x", "new"}}}}, {"come", "here"}};
  EXPECT_THAT(differences(before, after), ElementsAre("a: 1 -> 2", "gone: true -> nothing",
                                                      "list[0].x: old -> new", "come: nothing -> here"));
  EXPECT_THAT(differences(after, after), IsEmpty());
}

}  // namespace
}  // namespace rekindle
