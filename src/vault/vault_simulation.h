// Several processes on one vault, in an order that a seed decides, with a store that loses requests and
// answers and processes that die.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <thread>

#include "store/memory_store.h"
#include "store/retrying_store.h"
#include "vault/vault_fixture.h"

namespace rekindle {

// Lets the processes of a simulation make their store calls one at a time. A call is performed only when
// every living process waits with one (or has ended): then the seed picks which. So any interleaving of store
// calls can happen, and only the threads inside a process (putting packs in the background) may come in
// another order next time.
class Turns {
 public:
  explicit Turns(std::uint64_t seed) : random_(seed) {}

  void begin(std::size_t process) {
    const std::lock_guard lock(mutex_);
    waiting_[process].speed = some_speed();
  }
  void end(std::size_t process) {
    const std::lock_guard lock(mutex_);
    waiting_.erase(process);
    choose();
  }
  // Returns when it is the turn of this call; done() must follow.
  void wait(std::size_t process) {
    std::unique_lock lock(mutex_);
    Process& mine = waiting_.at(process);
    ++mine.calls;
    if (random_.below(12) == 0) mine.speed = some_speed();
    choose();
    mine.chosen.wait(lock, [&] { return chosen_ == process; });
    chosen_ = performing;
    --mine.calls;
  }
  void done() {
    const std::lock_guard lock(mutex_);
    chosen_ = nobody;
    choose();
  }
  std::uint64_t below(std::uint64_t bound) {
    const std::lock_guard lock(mutex_);
    return random_.below(bound);
  }

 private:
  static constexpr std::size_t nobody = SIZE_MAX;
  static constexpr std::size_t performing = SIZE_MAX - 1;

  // Some do many things while others do one, and not always the same.
  std::uint64_t some_speed() { return std::uint64_t{1} << (2 * random_.below(5)); }

  void choose() {
    if (chosen_ != nobody || waiting_.empty()) return;
    for (const auto& [number, process] : waiting_) {
      if (process.calls == 0) return;
    }
    std::uint64_t all = 0;
    for (const auto& [number, process] : waiting_) all += process.speed;
    std::uint64_t left = random_.below(all);
    auto it = waiting_.begin();
    for (; left >= it->second.speed; ++it) left -= it->second.speed;
    chosen_ = it->first;
    it->second.chosen.notify_one();
  }

  struct Process {
    std::uint64_t speed = 1;
    int calls = 0;  // that wait
    std::condition_variable chosen;
  };
  std::mutex mutex_;
  SeededRandom random_;
  std::map<std::size_t, Process> waiting_;  // the living ones
  std::size_t chosen_ = nobody;
};

// The store as one process sees it.
class SimulatedStore final : public ObjectStore {
 public:
  // One of so many calls loses its request, its answer, or its process; 0: never.
  struct Faults {
    std::uint64_t lost_one_in = 0;
    std::uint64_t death_one_in = 0;
  };
  // `on_listing` is told the prefix of every list, in turn.
  SimulatedStore(ObjectStore& inner, Turns& turns, std::size_t process, Faults faults,
                 std::function<void(std::string_view prefix)> on_listing)
      : inner_(inner),
        turns_(turns),
        process_(process),
        faults_(faults),
        on_listing_(std::move(on_listing)) {}

  Result<> put(const std::string& name, ByteView content) override {
    return perform([&] { return inner_.put(name, content); });
  }
  Result<Bytes> get(const std::string& name) override {
    return perform([&] { return inner_.get(name); });
  }
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override {
    return perform([&] { return inner_.read_at(name, offset, bytes); });
  }
  Result<std::uint64_t> size(const std::string& name) override {
    return perform([&] { return inner_.size(name); });
  }
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override {
    return perform([&] {
      on_listing_(prefix);
      return inner_.list(prefix);
    });
  }
  Result<> remove(const std::string& name) override {
    return perform([&] { return inner_.remove(name); });
  }

 private:
  bool happens(std::uint64_t one_in) { return one_in > 0 && turns_.below(one_in) == 0; }

  template <typename Call>
  auto perform(Call&& call) -> decltype(call()) {
    turns_.wait(process_);
    auto result = attempt(call);
    turns_.done();
    return result;
  }
  template <typename Call>
  auto attempt(Call&& call) -> decltype(call()) {
    dead_ = dead_ || happens(faults_.death_one_in);
    if (dead_) return error(ErrorCode::cancelled, "the process is dead (injected)");
    if (happens(faults_.lost_one_in)) return error(ErrorCode::unavailable, "request lost (injected)");
    auto result = call();
    if (happens(faults_.lost_one_in)) return error(ErrorCode::unavailable, "response lost (injected)");
    return result;
  }

  ObjectStore& inner_;
  Turns& turns_;
  const std::size_t process_;
  const Faults faults_;
  const std::function<void(std::string_view prefix)> on_listing_;
  bool dead_ = false;  // guarded by the turn
};

}  // namespace rekindle
