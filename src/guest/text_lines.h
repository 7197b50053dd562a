// Configuration files as lines and words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rekindle {

// Without the line ends; a last line without one counts.
std::vector<std::string> split_lines(std::string_view text);
std::string join_lines(const std::vector<std::string>& lines);  // each with its line end

// Separated by spaces and tabs.
std::vector<std::string> split_words(std::string_view line);

std::string_view trim(std::string_view text);

// What editing a file gave: its new text, and sentences for the report.
struct TextEdit {
  std::string text;
  std::vector<std::string> changes;
  std::vector<std::string> warnings;
  std::vector<std::string> obstacles;  // of the warnings: what may keep the guest from booting at all
};

}  // namespace rekindle
