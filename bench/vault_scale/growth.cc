// What the work on a vault takes while it grows: many points of one machine, or many machines of one
// template. For bench/vault_growth.
#include <fcntl.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>
#include <set>

#include "bench/vault_scale/chunk_disk.h"
#include "bench/vault_scale/measurement.h"
#include "store/local_store.h"
#include "vault/vault.h"

namespace rekindle {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t disk_bytes = 64 * gib;
constexpr std::uint64_t area_chunks = 64;  // data lies in areas of 4 MiB, evenly over the disk
constexpr std::size_t repeats = 3;         // of what changes the vault; the median counts
const DiskId the_disk("disk");

RecoveryPointId point_id(std::uint64_t number) {
  return RecoveryPointId(fmt::format("point-{:06}", number));
}

// Nothing is freed that is younger than a grace period: makes the vault 40 days older.
Result<> age(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    struct stat status{};
    if (!entry.is_regular_file() || ::stat(entry.path().c_str(), &status) != 0) continue;
    timespec times[2] = {status.st_mtim, status.st_mtim};
    for (timespec& time : times) time.tv_sec -= 40 * 24 * 3600;
    if (::utimensat(AT_FDCWD, entry.path().c_str(), times, 0) != 0) {
      return error(ErrorCode::internal, "cannot set the time of {}", entry.path().string());
    }
  }
  return {};
}

// What the next point holds.
class Series {
 public:
  Series(bool machines, std::uint64_t data_bytes) : machines_(machines), disk_(disk_bytes) {
    const std::uint64_t chunks = data_bytes / chunk_bytes;
    const std::uint64_t apart = disk_bytes / chunk_bytes / (chunks / area_chunks);
    for (std::uint64_t i = 0; i < chunks; ++i) {
      places_.push_back(i / area_chunks * apart + i % area_chunks);
      disk_.put(places_.back(), i);
    }
  }

  NewPoint next_point() {
    ++number_;
    NewPoint point{point_id(number_), MachineId("machine"), {}, {{the_disk, disk_bytes}}};
    if (machines_) point.machine = MachineId(fmt::format("machine-{}", number_));
    if (!machines_ && number_ > 1) point.parent = point_id(number_ - 1);
    return point;
  }
  // Of the point that next_point() told; the areas that are to be read.
  Extents change() {
    if (number_ == 1) return {{0, disk_bytes}};
    for (const std::uint64_t chunk : changed_) {
      if (machines_) disk_.put(places_[chunk], chunk);  // the template again
    }
    changed_.clear();
    for (std::uint64_t i = 0; changed_.size() < (machines_ ? 50 : 20); ++i) {
      changed_.insert(scattered(number_ % 256, number_ << 16 | i) % places_.size());
    }
    std::vector<Extent> areas;
    for (const std::uint64_t chunk : changed_) {
      disk_.put(places_[chunk], number_ << 32 | chunk);
      areas.push_back({places_[chunk] * chunk_bytes, chunk_bytes});
    }
    return machines_ ? Extents{{0, disk_bytes}} : normalize(std::move(areas));
  }
  BlockSource& disk() { return disk_; }
  std::uint64_t number() const { return number_; }
  std::uint64_t first_chunk() const { return places_.front(); }

 private:
  const bool machines_;
  ChunkDisk disk_;
  std::vector<std::uint64_t> places_;
  std::set<std::uint64_t> changed_;
  std::uint64_t number_ = 0;
};

class Growth {
 public:
  Growth(fs::path folder, ObjectStore& store, std::string name, Series series)
      : folder_(std::move(folder)), store_(store), name_(std::move(name)), series_(std::move(series)) {}

  Result<> perform(std::uint64_t most) {
    auto vault = TRY(Vault::create(store_, bench_secret()));
    for (const std::uint64_t count : {10U, 30U, 100U, 300U, 1000U}) {
      if (count > most) break;
      while (series_.number() - removed_ < count) TRY(commit_next(*vault));
      count_ = count;
      TRY(measure());
      vault = TRY(Vault::open(store_, bench_secret()));
    }
    return {};
  }

 private:
  using Work = std::function<Result<>(Vault& vault)>;

  Result<> commit_next(Vault& vault) {
    const NewPoint point = series_.next_point();
    const auto writer = TRY(vault.begin_point(point));
    const Extents areas = series_.change();
    TRY(writer->copy(the_disk, series_.disk(), areas));
    TRY(writer->commit(Time(std::chrono::hours(series_.number())), ""));
    return {};
  }

  Result<> measure() {
    TRY(timed("list", 1, [&](Vault& vault) -> Result<> {
      const auto points = TRY(vault.list());
      if (points.size() != count_) return error(ErrorCode::internal, "{} points are listed", points.size());
      return {};
    }));
    TRY(timed("open_and_read", 1, [&](Vault& vault) { return read_one(vault); }));
    TRY(timed("diff", 1, [&](Vault& vault) -> Result<> {
      const auto found =
          TRY(vault.diff(point_id(series_.number() - 1), point_id(series_.number()), the_disk));
      return found.empty() ? error(ErrorCode::internal, "the points do not differ") : Result<>();
    }));
    TRY(timed("commit", repeats, [&](Vault& vault) { return commit_next(vault); }));
    TRY(timed("remove", repeats, [&](Vault& vault) { return vault.remove_point(point_id(++removed_)); }));
    TRY(age(folder_));
    TRY(timed("collect_dry", 1, [&](Vault& vault) { return collect(vault, true); }));
    TRY(timed("collect", 1, [&](Vault& vault) { return collect(vault, false); }));
    TRY(timed("check", 1, [&](Vault& vault) -> Result<> {
      const auto report = TRY(vault.check(CheckLevel::structure));
      return report.clean() ? Result<>() : error(ErrorCode::corrupt, "{}", report.problems.front().what);
    }));
    return print_sizes();
  }

  // As a command does: with a vault opened for it.
  Result<> timed(const std::string& what, std::size_t times, const Work& work) {
    std::vector<double> took;
    for (std::size_t i = 0; i < times; ++i) {
      const Moment begin = now();
      const auto vault = TRY(Vault::open(store_, bench_secret()));
      TRY(work(*vault), "timing {} at {} points", what, count_);
      took.push_back(seconds_since(begin));
    }
    std::ranges::sort(took);
    print(what + "_seconds", took[took.size() / 2], "s");
    return {};
  }

  Result<> read_one(Vault& vault) {
    const auto disk = TRY(vault.open_disk(point_id(series_.number()), the_disk));
    Bytes chunk(chunk_bytes);
    Bytes expected(chunk_bytes);
    TRY(disk->read_at(series_.first_chunk() * chunk_bytes, chunk));
    TRY(series_.disk().read_at(series_.first_chunk() * chunk_bytes, expected));
    return chunk == expected ? Result<>() : error(ErrorCode::corrupt, "the vault gave other bytes");
  }

  static Result<> collect(Vault& vault, bool dry_run) {
    CollectOptions options;
    options.dry_run = dry_run;
    const auto report = TRY(vault.collect(options));
    if (!dry_run) {
      std::cerr << fmt::format(
          "{} pages, {} packs doomed, {} deleted, {} compacted, segments: {} merged, {} deleted\n",
          report.pages, report.packs_doomed, report.packs_deleted, report.packs_compacted,
          report.segments_merged, report.segments_deleted);
    }
    return {};
  }

  Result<> print_sizes() {
    const auto objects = TRY(store_.list(""));
    std::uint64_t bytes = 0;
    for (const ObjectInfo& object : objects) bytes += object.size_bytes;
    print("vault_mib", static_cast<double>(bytes) / mib, "MiB");
    print("vault_objects", static_cast<double>(objects.size()), "count");
    return {};
  }

  void print(const std::string& what, double value, const std::string& unit) const {
    print_measurement(fmt::format("vault.growth.{}_{}.{}", name_, count_, what), value, unit);
  }

  const fs::path folder_;
  ObjectStore& store_;
  const std::string name_;
  Series series_;
  std::uint64_t count_ = 0;
  std::uint64_t removed_ = 0;
};

int run(int argc, char** argv) {
  std::string series;
  std::string folder;
  std::uint64_t most = 1000;
  CLI::App root("What work on a vault takes while it grows");
  root.add_option("series", series, "'points' of one machine, or 'machines' of one template")->required();
  root.add_option("folder", folder)->required();
  root.add_option("--most", most, "Points");
  CLI11_PARSE(root, argc, argv);
  const bool machines = series == "machines";
  const auto perform = [&]() -> Result<> {
    const auto store = TRY(LocalStore::open(folder));
    // Smaller for machines: each is read and hashed as a whole, a thousand times.
    return Growth(folder, *store, series, Series(machines, (machines ? 32 : 256) * mib)).perform(most);
  };
  const Result<> done = perform();
  if (!done.ok()) std::cerr << "vault_growth: " << done.error().message() << '\n';
  return done.ok() ? 0 : 1;
}

}  // namespace

}  // namespace rekindle

int main(int argc, char** argv) {
  return rekindle::run(argc, argv);
}
