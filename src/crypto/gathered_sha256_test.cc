#include "crypto/gathered_sha256.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/random.h"

namespace rekindle {
namespace {

TEST(Sha256Together, GivesTheSameAsEachByItself) {
  if (!sha256_lanes_work()) GTEST_SKIP() << "this processor has no SHA extensions";
  SeededRandom random(7);
  for (const std::size_t length : {0U, 64U, 192U, 524288U}) {
    for (std::size_t count = 1; count <= sha256_most_lanes; ++count) {
      std::vector<Bytes> messages;
      for (std::size_t i = 0; i < count; ++i) messages.push_back(random.bytes(length));
      const std::vector<ByteView> views(messages.begin(), messages.end());
      std::vector<Sha256> digests(count);
      sha256_together(views, digests);
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(digests[i], sha256(messages[i])) << length;
    }
  }
}

TEST(GatheredSha256, GivesEveryThreadTheDigestOfItsOwnMessage) {
  GatheredSha256 gathered;
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (std::uint64_t thread = 0; thread < 16; ++thread) {
    threads.emplace_back([&gathered, &wrong, thread] {
      SeededRandom random(thread);
      for (int round = 0; round < 50; ++round) {
        // Of several lengths, one of them not a multiple of 64.
        const Bytes message = random.bytes(round % 5 == 0 ? 1000U : round % 2 == 0 ? 65536U : 4096U);
        if (gathered(message) != sha256(message)) ++wrong;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace rekindle
