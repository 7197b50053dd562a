// Ten thousand damages: each is noticed, none gives wrong bytes.
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

using testing::AnyOf;

class SmallVault {
 public:
  SmallVault() {
    auto vault = Vault::create(store_, test_secret()).value();
    fill(0);
    CHECK(machine_.back_up(*vault, "p1").ok());
    fill(2);
    CHECK(machine_.back_up(*vault, "p2", "p1").ok());
    for (const ObjectInfo& object : store_.list("").value())
      objects_.emplace_back(object.name, content(object.name));
  }

  // Puts `damaged` in the place of an object, uses everything, and puts the object back.
  void use_with(const std::string& name, const Bytes& original, const Bytes& damaged) {
    store_.replace(name, damaged);
    EXPECT_TRUE(is_noticed());
    store_.replace(name, original);
  }
  const std::vector<std::pair<std::string, Bytes>>& objects() const { return objects_; }
  bool is_noticed() {
    auto vault = Vault::open(store_, test_secret());
    if (!vault.ok()) {
      expect_honest(vault.error());
      return true;
    }
    for (const char* point : {"p1", "p2"}) {
      if (auto read = machine_.compare(**vault, point); !read.ok()) expect_honest(read.error());
    }
    return !(*vault)->check(CheckLevel::data).value().clean();
  }

 private:
  // Few bytes when compressed, so that a random flip hits every part of a format often.
  void fill(std::uint64_t first_chunk) {
    TestDisk& disk = machine_.disk("d", 5 * chunk_bytes);
    for (std::uint64_t chunk = first_chunk; chunk < first_chunk + 3; ++chunk) {
      disk.put(chunk * chunk_bytes, random_.bytes(40));
    }
  }
  Bytes content(const std::string& name) { return store_.get(name).value(); }
  static void expect_honest(const Error& error) {
    EXPECT_THAT(error.code(), AnyOf(ErrorCode::corrupt, ErrorCode::unauthenticated, ErrorCode::not_found,
                                    ErrorCode::failed_precondition))
        << error.message();
  }

  SeededRandom random_{3};
  MemoryStore store_;
  TestMachine machine_{"vm-1"};
  std::vector<std::pair<std::string, Bytes>> objects_;
};

// Every byte of every object is authenticated, but for the trailers of packs and segments: two lengths whose
// sum is that of the object, and fixed bytes.
TEST(VaultFlips, AnyBitOfAnyObjectIsNoticedAndNeverGivesWrongBytes) {
  SmallVault vault;
  ASSERT_FALSE(vault.is_noticed());
  SeededRandom random(17);
  for (int i = 0; i < 8000 && !testing::Test::HasFailure(); ++i) {
    const auto& [name, original] = vault.objects().at(random.below(vault.objects().size()));
    Bytes damaged = original;
    const std::uint64_t at = random.below(damaged.size());
    const std::uint64_t bit = random.below(8);
    damaged[at] ^= static_cast<std::byte>(1U << bit);
    SCOPED_TRACE(fmt::format("{} byte {} bit {}", name, at, bit));
    vault.use_with(name, original, damaged);
  }
}

TEST(VaultFlips, AnyTruncationAndAnyGarbageAtTheEndIsNoticed) {
  SmallVault vault;
  SeededRandom random(19);
  for (int i = 0; i < 2000 && !testing::Test::HasFailure(); ++i) {
    const auto& [name, original] = vault.objects().at(random.below(vault.objects().size()));
    Bytes damaged = original;
    if (i % 2 == 0) damaged.resize(random.below(damaged.size()));
    if (i % 2 == 1) {
      const Bytes garbage = random.bytes(1 + random.below(50));
      damaged.insert(damaged.end(), garbage.begin(), garbage.end());
    }
    SCOPED_TRACE(fmt::format("{}: {} bytes instead of {}", name, damaged.size(), original.size()));
    vault.use_with(name, original, damaged);
  }
}

}  // namespace
}  // namespace rekindle
