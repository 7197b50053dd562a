// Keeps what was used last.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace rekindle {

// Any number of threads. Holds at most `capacity` values; a value lives on with whoever got it.
template <typename Key, typename Value, typename Hash>
class LruCache {
 public:
  explicit LruCache(std::size_t capacity) : capacity_(capacity) {}

  // Null if it is not there.
  std::shared_ptr<Value> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    by_age_.splice(by_age_.begin(), by_age_, found->second);
    return found->second->second;
  }

  // The value that is in the cache afterwards: another thread's, if it came first.
  std::shared_ptr<Value> insert(const Key& key, std::shared_ptr<Value> value) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) return found->second->second;
    by_age_.emplace_front(key, value);
    by_key_.emplace(key, by_age_.begin());
    if (by_age_.size() > capacity_) {
      by_key_.erase(by_age_.back().first);
      by_age_.pop_back();
    }
    return value;
  }

  // Absent is fine.
  void erase(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    by_age_.erase(found->second);
    by_key_.erase(found);
  }

 private:
  using Entries = std::list<std::pair<Key, std::shared_ptr<Value>>>;
  const std::size_t capacity_;
  std::mutex mutex_;
  Entries by_age_;
  std::unordered_map<Key, typename Entries::iterator, Hash> by_key_;
};

}  // namespace rekindle
