#include "crypto/gathered_sha256.h"

#include <thread>

#include "crypto/sha256_padding.h"

namespace rekindle {

namespace {

// One core is left to bring messages: without it nothing would ever be gathered.
std::size_t most_digesting() {
  static const std::size_t cores = std::max(2U, std::thread::hardware_concurrency());
  return cores - 1;
}

}  // namespace

void sha256_together(std::span<const ByteView> messages, std::span<Sha256> digests) {
  const std::size_t count = messages.size();
  const std::size_t length = messages.front().size();
  CHECK(digests.size() == count && count <= sha256_most_lanes);
  std::array<Sha256State, sha256_most_lanes> states;
  states.fill(sha256_start);
  std::array<const std::byte*, sha256_most_lanes> blocks{};
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(messages[i].size() == length && length % sha256_block_bytes == 0);
    blocks[i] = messages[i].data();
  }
  sha256_compress({states.data(), count}, {blocks.data(), count}, length / sha256_block_bytes);
  Sha256Block last;
  add_padding(last, 0, length);
  blocks.fill(last.data());
  sha256_compress({states.data(), count}, {blocks.data(), count}, 1);
  for (std::size_t i = 0; i < count; ++i) digests[i] = bytes_of(states[i]);
}

Sha256 GatheredSha256::operator()(ByteView message) {
  if (!sha256_lanes_work() || message.size() % sha256_block_bytes != 0) return sha256(message);
  Waiting mine{message};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&mine);
  while (!mine.done) {
    const bool taken = std::ranges::find(waiting_, &mine) == waiting_.end();
    if (!taken && digesting_ < most_digesting()) {
      digest_next(lock);
    } else {
      changed_.wait(lock);
    }
  }
  return mine.digest;
}

// The oldest, and those that are as long.
std::vector<GatheredSha256::Waiting*> GatheredSha256::next_together() {
  std::vector<Waiting*> together;
  const std::size_t length = waiting_.front()->message.size();
  std::erase_if(waiting_, [&](Waiting* one) {
    const bool take = together.size() < sha256_most_lanes && one->message.size() == length;
    if (take) together.push_back(one);
    return take;
  });
  return together;
}

void GatheredSha256::digest_next(std::unique_lock<std::mutex>& lock) {
  const std::vector<Waiting*> together = next_together();
  ++digesting_;
  lock.unlock();
  std::vector<ByteView> messages;
  for (const Waiting* one : together) messages.push_back(one->message);
  std::array<Sha256, sha256_most_lanes> digests;
  sha256_together(messages, std::span(digests).first(together.size()));
  lock.lock();
  --digesting_;
  for (std::size_t i = 0; i < together.size(); ++i) {
    together[i]->digest = digests[i];
    together[i]->done = true;
  }
  changed_.notify_all();
}

}  // namespace rekindle
