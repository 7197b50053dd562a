// The vocabulary of the vault's tests: a machine with disks that change, backed up again and again.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "disk/memory_disk.h"
#include "store/memory_store.h"
#include "vault/vault.h"

namespace rekindle {

inline VaultSecret test_secret() {
  AeadKey key{};
  key.fill(std::byte{42});
  return VaultSecret::key(key);
}

// Small packs and frames and few threads, so that a small test has several of everything.
inline WriterOptions small_packs() {
  return {.threads = 2, .readers = 2, .pack_bytes = 800 * kib, .frame_chunks = 4};
}

// Half compressible: like program text, unlike random bytes or a constant.
inline Bytes sample_bytes(Random& random, std::size_t size) {
  Bytes bytes = random.bytes(size);
  for (std::size_t i = 0; i < size; i += 2) bytes[i] = std::byte{'a'};
  return bytes;
}

struct TestDisk {
  Bytes content;
  std::vector<Extent> changed;  // since the last backup

  void put(std::uint64_t offset, ByteView bytes) {
    std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
    changed.push_back({offset, bytes.size()});
  }
};

// The disks of one machine, and what each recovery point must give back.
class TestMachine {
 public:
  explicit TestMachine(std::string id) : id_(std::move(id)) {}

  TestDisk& disk(const std::string& id, std::uint64_t size = 0) {
    TestDisk& disk = disks_[id];
    if (size > 0) disk.content.resize(size);
    return disk;
  }

  Result<VaultPoint> back_up(Vault& vault, const std::string& point, const std::string& parent = "",
                             WriterOptions options = small_packs()) {
    NewPoint spec{RecoveryPointId(point), MachineId(id_), {}, {}};
    if (!parent.empty()) spec.parent = RecoveryPointId(parent);
    for (const auto& [id, disk] : disks_) spec.disks.push_back({DiskId(id), disk.content.size()});
    auto writer = TRY(vault.begin_point(spec, options));
    for (auto& [id, disk] : disks_) {
      MemoryDisk source(disk.content);
      const Extents areas = parent.empty() ? Extents{{0, source.size()}} : normalize(disk.changed);
      TRY(writer->copy(DiskId(id), source, areas));
    }
    auto committed =
        TRY(writer->commit(Time(std::chrono::seconds(++clock_)), R"({"point":")" + point + "\"}"));
    for (auto& [id, disk] : disks_) disk.changed.clear();
    saved_[point] = disks_;
    return committed;
  }

  // Every byte of every disk of the point, read back and compared; the first error, or nothing.
  Result<> compare(Vault& vault, const std::string& point) const {
    for (const auto& [id, disk] : saved_.at(point)) {
      auto source = TRY(vault.open_disk(RecoveryPointId(point), DiskId(id)));
      if (source->size() != disk.content.size()) return error(ErrorCode::internal, "wrong size");
      Bytes got(disk.content.size());
      TRY(source->read_at(0, got), "reading {} of {}", id, point);
      if (got != disk.content) return error(ErrorCode::internal, "disk {} of {} has wrong bytes", id, point);
    }
    return {};
  }

  const std::map<std::string, TestDisk>& saved(const std::string& point) const { return saved_.at(point); }

 private:
  std::string id_;
  int clock_ = 0;
  std::map<std::string, TestDisk> disks_;
  std::map<std::string, std::map<std::string, TestDisk>> saved_;
};

inline std::uint64_t stored_bytes(ObjectStore& store) {
  std::uint64_t sum = 0;
  for (const ObjectInfo& object : store.list("").value()) sum += object.size_bytes;
  return sum;
}

// Fails the test with the error's sentence.
inline testing::AssertionResult succeeds(const Result<>& result) {
  if (result.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().message();
}
template <typename T>
testing::AssertionResult succeeds(const Result<T>& result) {
  if (result.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().message();
}

}  // namespace rekindle
