// What a server offers, and what a client chose of it.
#pragma once

#include <span>
#include <string>

#include "disk/block_device.h"

namespace rekindle::nbd {

struct Export {
  std::string name;
  std::string description;  // for people
  BlockSource* source = nullptr;
  BlockTarget* target = nullptr;  // the same disk; null: read-only
};

struct Session {
  const Export* exported = nullptr;
  bool structured_replies = false;
  bool allocation = false;  // may ask for block status, of base:allocation
};

}  // namespace rekindle::nbd
