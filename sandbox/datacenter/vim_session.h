// Sessions of the API, and what a client keeps in one: views, property collectors, pages of answers.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "sandbox/datacenter/property_filter.h"
#include "sandbox/datacenter/vim_value.h"

namespace rekindle::sandbox {

struct VimView {
  Reference reference;             // ContainerView or ListView
  Reference container;             // of a ContainerView
  std::vector<std::string> types;  // the same; empty: every managed entity
  bool recursive = false;
  std::vector<Reference> list;  // of a ListView
};

struct VimFilter {
  std::string id;
  FilterSpec spec;
  // What was reported: for each object its properties as XML.
  std::map<Reference, std::map<std::string, std::string>> reported;
};

struct VimCollector {
  std::string id;
  int version = 0;
  bool cancelled = false;
  std::map<std::string, VimFilter> filters;
};

struct VimSession {
  std::string key;
  std::string user;
  std::string address;
  std::string agent;
  Time login_time;
  Time last_active;
  int calls = 0;

  std::mutex mutex;  // of what follows
  std::map<std::string, VimView> views;
  std::map<std::string, VimCollector> collectors;
  std::map<std::string, std::vector<std::string>> pages;  // rest of an answer by its token: objects as XML
  int last_id = 0;
  // "session[KEY]N", as vSphere names what lives in a session.
  std::string new_id() { return "session[" + key + "]" + std::to_string(++last_id); }
};

// Any thread.
class VimSessions {
 public:
  VimSessions(std::string user, std::string password)
      : user_(std::move(user)), password_(std::move(password)) {}

  bool knows(const std::string& user, const std::string& password) const;
  std::shared_ptr<VimSession> open(const std::string& user, const std::string& address,
                                   const std::string& agent);
  // nullptr when it does not exist (any more). Counts as activity.
  std::shared_ptr<VimSession> find(const std::string& key);
  void close(const std::string& key);

 private:
  const std::string user_;
  const std::string password_;
  SystemRandom random_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<VimSession>> sessions_;
};

Value to_user_session(const VimSession& session);

}  // namespace rekindle::sandbox
