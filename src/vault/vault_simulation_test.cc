// Writers, readers, removals and collectors on one vault, in every order that a seed can think of.
#include "vault/vault_simulation.h"

#include "base/simulation_seeds_for_tests.h"

namespace rekindle {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
constexpr hours grace{14 * 24};
// Chunks that are used of a disk of two pages of level 0: some at the beginning, some at the end.
constexpr std::size_t used_chunks = 24;
constexpr std::uint64_t disk_bytes = 140 * chunk_bytes;
constexpr std::uint64_t offset_of(std::size_t used) {
  return (used < used_chunks / 2 ? used : used + 140 - used_chunks) * chunk_bytes;
}
constexpr std::size_t pooled_chunks = 12;

// Bytes of one chunk, by number; 0: zeros. All machines draw from the same, so that they share content.
const Bytes& chunk_of(std::size_t number) {
  static const std::vector<Bytes> pool = [] {
    std::vector<Bytes> made{Bytes(chunk_bytes)};
    SeededRandom random(1);
    for (std::size_t i = 0; i < pooled_chunks; ++i) made.push_back(sample_bytes(random, chunk_bytes));
    return made;
  }();
  return pool.at(number);
}

using ChunkNumbers = std::vector<std::size_t>;

// With one disk.
struct SimulatedMachine {
  std::string id;
  ChunkNumbers disk = ChunkNumbers(used_chunks);
  std::string newest;      // its point that was committed last; empty: none
  ChunkNumbers at_newest;  // what that holds
  int attempts = 0;
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed) {
    CHECK(Vault::create(store_, test_secret()).ok());
    for (int i = 0; i < 3; ++i) machines_.emplace_back().id = fmt::format("vm-{}", i);
  }

  void perform() {
    for (int phase = 0; phase < 4 && !testing::Test::HasFailure(); ++phase) {
      perform_together();
      expect_whole();
      clock_.advance(hours(random_.below(2) * random_.below(3 * grace.count())));
    }
    if (!testing::Test::HasFailure()) expect_no_leak();
  }

 private:
  struct Process {
    std::size_t number = 0;
    Vault& vault;
    SeededRandom& random;
  };
  using Work = std::function<void(const Process& process)>;

  void perform_together();
  void start(Work work);
  void start_clock();
  void back_up(const Process& process, SimulatedMachine& machine);
  void read(const Process& process);
  void remove_some(const Process& process);
  Result<> compare(Vault& vault, const std::string& point);
  void begin_anew(std::size_t process, bool relying = false);
  milliseconds longest_jump();
  void expect_whole();
  void expect_no_leak();

  SeededRandom random_;
  ManualClock clock_{Time(std::chrono::days(20000))};
  MemoryStore store_{clock_};
  std::vector<SimulatedMachine> machines_;
  std::mutex mutex_;
  std::map<std::string, ChunkNumbers> points_;  // what each must hold, if it is listed
  // Processes that were told the time a second time: they rely on their next requests being done within half
  // a grace period. (The first time is when they begin, after which any time may pass.)
  std::map<std::size_t, Time> relying_since_;
  std::map<std::size_t, int> times_told_;
  std::unique_ptr<Turns> turns_;
  std::size_t processes_ = 0;
  std::vector<std::jthread> threads_;
};

void Simulation::start(Work work) {
  const std::size_t process = processes_++;
  turns_->begin(process);
  const std::uint64_t seed = random_.below(UINT64_MAX);
  const SimulatedStore::Faults faults{.lost_one_in = random_.below(2) * 40,
                                      .death_one_in = random_.below(3) * 60};
  threads_.emplace_back([this, process, seed, faults, work = std::move(work)] {
    SeededRandom random(seed);
    SimulatedStore mine(store_, *turns_, process, faults, [&](std::string_view prefix) {
      const std::lock_guard lock(mutex_);
      if (prefix.starts_with("beacons/") && ++times_told_[process] > 1)
        relying_since_[process] = clock_.now();
      // What it relies on may be as new as this.
      if (prefix == "doomed/" && relying_since_.contains(process)) relying_since_[process] = clock_.now();
    });
    ManualClock waiting{Time{}};
    RetryingStore retrying(mine, RetryPolicy{}, waiting, random);
    SeededRandom choices(seed + 1);
    auto vault = Vault::open(retrying, test_secret());
    if (vault.ok()) work({process, **vault, choices});
    const std::lock_guard lock(mutex_);
    relying_since_.erase(process);
    turns_->end(process);
  });
}

void Simulation::begin_anew(std::size_t process, bool relying) {
  const std::lock_guard lock(mutex_);
  times_told_.erase(process);
  relying_since_.erase(process);
  if (relying) relying_since_[process] = clock_.now();
}

milliseconds Simulation::longest_jump() {
  const std::lock_guard lock(mutex_);
  milliseconds longest = 2 * grace;
  for (const auto& [process, since] : relying_since_) {
    longest = std::min(longest, since + grace / 2 - hours(1) - clock_.now());
  }
  return longest;
}

void Simulation::start_clock() {
  const std::size_t process = processes_++;
  turns_->begin(process);
  const std::uint64_t jumps = random_.below(12);
  const std::uint64_t calm = 1 + random_.below(25);
  threads_.emplace_back([this, process, jumps, calm] {
    constexpr std::array<milliseconds, 6> steps{hours(1),      hours(11), hours(13),
                                                hours(7 * 24), grace,     2 * grace};
    for (std::uint64_t i = 0; i < jumps * calm; ++i) {
      turns_->wait(process);
      const milliseconds step = steps.at(turns_->below(steps.size()));
      if (i % calm == 0 && step <= longest_jump()) clock_.advance(step);
      turns_->done();
    }
    turns_->end(process);
  });
}

void Simulation::back_up(const Process& process, SimulatedMachine& machine) {
  auto& [number, vault, random] = process;
  begin_anew(number);
  for (std::uint64_t i = 1 + random.below(12); i > 0; --i) {
    machine.disk.at(random.below(used_chunks)) = random.below(pooled_chunks + 1);
  }
  const std::string id = fmt::format("{}-{}", machine.id, ++machine.attempts);
  {
    const std::lock_guard lock(mutex_);
    points_[id] = machine.disk;
  }
  NewPoint point{RecoveryPointId(id), MachineId(machine.id), {}, {{DiskId("d"), disk_bytes}}};
  if (!machine.newest.empty() && random.below(4) > 0) point.parent = RecoveryPointId(machine.newest);
  const WriterOptions options{.threads = 1, .readers = 1, .pack_bytes = 400 * kib, .frame_chunks = 2};
  auto writer = vault.begin_point(point, options);
  if (!writer.ok()) {
    if (writer.error().code() == ErrorCode::not_found) machine.newest.clear();
    return;
  }
  const auto changed = [&](std::size_t i) {
    return machine.disk.at(i) != (point.parent ? machine.at_newest.at(i) : 0);
  };
  for (std::size_t i = 0; i < used_chunks;) {
    const std::size_t begin = i;
    Bytes neighbours;  // written at once, so that some share a frame
    for (; i < used_chunks && changed(i) && offset_of(i) == offset_of(begin) + neighbours.size(); ++i) {
      const Bytes chunk = chunk_of(machine.disk.at(i));
      neighbours.insert(neighbours.end(), chunk.begin(), chunk.end());
    }
    if (i == begin) ++i;
    if (neighbours.empty()) continue;
    if (!(*writer)->write(DiskId("d"), offset_of(begin), neighbours).ok()) return;
  }
  const auto committed = (*writer)->commit(clock_.now(), "");
  if (!committed.ok()) {
    machine.newest.clear();
    return;
  }
  machine.newest = id;
  machine.at_newest = machine.disk;
}

Result<> Simulation::compare(Vault& vault, const std::string& point) {
  ChunkNumbers expected;
  {
    const std::lock_guard lock(mutex_);
    expected = points_.at(point);
  }
  auto disk = TRY(vault.open_disk(RecoveryPointId(point), DiskId("d")));
  Bytes got(chunk_bytes);
  Extents written;
  for (std::size_t i = 0; i < used_chunks; ++i) {
    TRY(disk->read_at(offset_of(i), got));
    if (got != chunk_of(expected.at(i))) return error(ErrorCode::internal, "point {} has wrong bytes", point);
    written = unite(written, {{offset_of(i), chunk_bytes}});
  }
  const Extents data = TRY(disk->data_extents({0, disk->size()}));
  if (disk->size() == disk_bytes && intersect(data, written) == data) return {};
  return error(ErrorCode::internal, "point {} has bytes that nobody wrote", point);
}

// A point that is removed while it is read may become unreadable, but never wrong.
void Simulation::read(const Process& process) {
  auto& [number, vault, random] = process;
  const auto points = vault.list();
  if (!points.ok() || points->empty()) return;
  const std::string point = points->at(random.below(points->size())).id.str();
  const auto read = compare(vault, point);
  if (read.ok() || read.error().code() != ErrorCode::corrupt) {
    EXPECT_TRUE(read.ok() || read.error().code() != ErrorCode::internal) << read.error().message();
    return;
  }
  const auto still = vault.get(RecoveryPointId(point));
  EXPECT_FALSE(still.ok()) << "unreadable, yet listed: " << read.error().message();
}

void Simulation::remove_some(const Process& process) {
  auto& [number, vault, random] = process;
  const auto points = vault.list();
  if (!points.ok()) return;
  for (const VaultPoint& point : *points) {
    if (random.below(2) == 0) continue;
    begin_anew(number, true);
    (void)vault.remove_point(point.id).ok();
  }
}

void Simulation::perform_together() {
  turns_ = std::make_unique<Turns>(random_.below(UINT64_MAX));
  processes_ = 0;
  times_told_.clear();
  const std::size_t writers = 1 + random_.below(machines_.size());
  // Nobody makes a turn before all have begun.
  turns_->begin(processes_++);
  for (std::size_t i = 0; i < writers; ++i) {
    start([this, i](const Process& process) {
      for (std::uint64_t n = 1 + process.random.below(2); n > 0; --n) back_up(process, machines_.at(i));
    });
  }
  for (std::uint64_t i = 1 + random_.below(2); i > 0; --i) {
    start([this](const Process& process) {
      for (std::uint64_t n = 1 + process.random.below(5); n > 0; --n) {
        begin_anew(process.number);
        (void)process.vault.collect({.grace = grace}).ok();
      }
    });
  }
  if (random_.below(3) > 0) start([this](const Process& process) { remove_some(process); });
  if (random_.below(2) > 0) start([this](const Process& process) { read(process); });
  start_clock();
  turns_->end(0);
  threads_.clear();
}

void Simulation::expect_whole() {
  auto vault = Vault::open(store_, test_secret()).value();
  const auto points = vault->list().value();
  for (const VaultPoint& point : points) EXPECT_TRUE(succeeds(compare(*vault, point.id.str())));
  const auto report = vault->check(CheckLevel::structure).value();
  for (const CheckProblem& problem : report.problems) ADD_FAILURE() << problem.what;
}

void Simulation::expect_no_leak() {
  auto vault = Vault::open(store_, test_secret()).value();
  const auto points = vault->list().value();
  for (const VaultPoint& point : points) EXPECT_TRUE(succeeds(vault->remove_point(point.id)));
  for (int pass = 0; pass < 6; ++pass) {
    clock_.advance(grace);
    ASSERT_TRUE(succeeds(vault->collect({.grace = grace})));
  }
  for (const ObjectInfo& object : store_.list("").value()) {
    EXPECT_TRUE(object.name == "vault" || object.name.starts_with("keys/")) << object.name << " is left over";
  }
}

TEST(VaultSimulation, EveryListedPointIsWholeAndNothingLeaksWhateverHappensInWhateverOrder) {
  for_simulation_seeds(100, [](std::uint64_t seed) { Simulation(seed).perform(); });
}

}  // namespace
}  // namespace rekindle
