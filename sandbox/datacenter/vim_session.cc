#include "sandbox/datacenter/vim_session.h"

namespace rekindle::sandbox {

bool VimSessions::knows(const std::string& user, const std::string& password) const {
  return user == user_ && password == password_;
}

std::shared_ptr<VimSession> VimSessions::open(const std::string& user, const std::string& address,
                                              const std::string& agent) {
  auto session = std::make_shared<VimSession>();
  const std::lock_guard lock(mutex_);
  session->key = random_.uuid();
  session->user = user;
  session->address = address;
  session->agent = agent;
  session->login_time = session->last_active = SystemClock().now();
  sessions_[session->key] = session;
  return session;
}

std::shared_ptr<VimSession> VimSessions::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return nullptr;
  found->second->last_active = SystemClock().now();
  ++found->second->calls;
  return found->second;
}

void VimSessions::close(const std::string& key) {
  const std::lock_guard lock(mutex_);
  sessions_.erase(key);
}

Value to_user_session(const VimSession& session) {
  return object("UserSession")
      .set("key", session.key)
      .set("userName", session.user)
      .set("fullName", session.user)
      .set("loginTime", session.login_time)
      .set("lastActiveTime", session.last_active)
      .set("locale", "en")
      .set("messageLocale", "en")
      .set("extensionSession", false)
      .set("ipAddress", session.address)
      .set("userAgent", session.agent)
      .set("callCount", session.calls);
}

}  // namespace rekindle::sandbox
