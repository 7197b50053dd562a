// How many files and connections this process may have open.
#pragma once

#include <cstdint>

namespace rekindle {

// Raises the limit as far as the system lets this process, to 65,536 at most, and returns it. The usual 1024
// are too few: a disk that is replicated directly has more than 100 connections open, and several are at a
// time. Where it cannot be raised it stays, which the log says.
std::uint64_t raise_open_files();

// In a child, before it becomes another program: the limit is again what it was. Some programs use select(),
// or close all that may be open. May be called between fork and exec.
void restore_open_files();

}  // namespace rekindle
