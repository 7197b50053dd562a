// Keeps what was used last.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace rekindle {

// Any number of threads. Holds values of a total cost of at most `capacity` (each costs 1 unless told
// otherwise), and the newest in any case; a value lives on with whoever got it.
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
    return found->second->value;
  }

  // The value that is in the cache afterwards: another thread's, if it came first.
  std::shared_ptr<Value> insert(const Key& key, std::shared_ptr<Value> value, std::size_t cost = 1) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) return found->second->value;
    by_age_.push_front({key, value, cost});
    by_key_.emplace(key, by_age_.begin());
    cost_ += cost;
    while (cost_ > capacity_ && by_age_.size() > 1) drop(std::prev(by_age_.end()));
    return value;
  }

  // What it really costs, now that this is known. Absent is fine.
  void weigh(const Key& key, std::size_t cost) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    cost_ = cost_ - found->second->cost + cost;
    found->second->cost = cost;
    while (cost_ > capacity_ && by_age_.size() > 1) drop(std::prev(by_age_.end()));
  }

  // Absent is fine.
  void erase(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) drop(found->second);
  }

 private:
  struct Entry {
    Key key;
    std::shared_ptr<Value> value;
    std::size_t cost;
  };
  using Entries = std::list<Entry>;

  void drop(typename Entries::iterator entry) {
    cost_ -= entry->cost;
    by_key_.erase(entry->key);
    by_age_.erase(entry);
  }

  const std::size_t capacity_;
  std::mutex mutex_;
  std::size_t cost_ = 0;
  Entries by_age_;
  std::unordered_map<Key, typename Entries::iterator, Hash> by_key_;
};

}  // namespace rekindle
