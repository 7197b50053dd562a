// What S3Store does with versions and locks: removing, keeping, bringing back.
#include <map>

#include "aws/s3_store.h"

namespace rekindle {

Result<> S3Store::remove(const std::string& name) {
  TRY(check_object_name(name));
  if (versioned_) return remove_versions(name);
  if (!TRY(client_->remove(key_of(name)), "removing object {}", name)) return {};
  versioned_ = true;  // it was only hidden
  return remove_versions(name);
}

// The versions first, then the markers: where a lock refuses, nothing has changed.
Result<> S3Store::remove_versions(const std::string& name) {
  const std::string key = key_of(name);
  const std::vector<S3Version> versions = TRY(client_->versions(key), "removing object {}", name);
  for (const bool markers : {false, true}) {
    for (const S3Version& version : versions) {
      if (version.key != key || version.is_delete_marker != markers) continue;
      auto removed = client_->remove(key, version.version_id);
      if (removed.ok()) continue;
      return explain_refused_removal(key, version.version_id, std::move(removed).error())
          .context("removing object {}", name);
    }
  }
  return {};
}

// A lock and a missing permission are refused with the same words.
Error S3Store::explain_refused_removal(const std::string& key, const std::string& version_id, Error refused) {
  const bool denied =
      refused.code() == ErrorCode::permission_denied || refused.code() == ErrorCode::invalid_argument;
  const auto there = client_->head(key, version_id);
  if (!denied || !there.ok() || !there->locked_until || *there->locked_until <= clock_.now()) return refused;
  return error(ErrorCode::permission_denied, "it is locked until {}: nobody can remove it before",
               to_iso8601(*there->locked_until));
}

Result<> S3Store::keep_until(const std::string& name, Time until) {
  TRY(check_object_name(name));
  if (!locks(name)) return {};
  const S3Head head = TRY(client_->head(key_of(name)), "keeping object {}", name);
  if (head.locked_until && *head.locked_until >= until) return {};
  TRY(client_->lock(key_of(name), options_.lock.mode, until), "keeping object {}", name);
  return {};
}

Result<S3Restored> S3Store::restore_hidden() {
  struct History {
    std::vector<std::string> versions;  // the newest first
    std::vector<std::string> markers;
  };
  const std::vector<S3Version> versions = TRY(client_->versions(key_of("")));
  std::map<std::string, History> histories;
  for (const S3Version& version : versions) {
    History& history = histories[version.key];
    (version.is_delete_marker ? history.markers : history.versions).push_back(version.version_id);
  }
  S3Restored restored;
  for (const auto& [key, history] : histories) {
    if (history.versions.empty() || !check_object_name(key.substr(key_of("").size())).ok()) continue;
    for (const std::string& marker : history.markers) TRY(client_->remove(key, marker), "showing {}", key);
    for (std::size_t i = 0; i + 1 < history.versions.size(); ++i)
      TRY(client_->remove(key, history.versions[i]), "removing what stands over {}", key);
    if (!history.markers.empty()) ++restored.shown_again;
    if (history.versions.size() > 1) ++restored.laid_bare;
  }
  return restored;
}

}  // namespace rekindle
