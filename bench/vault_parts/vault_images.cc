// Backs raw disk images up into a vault in a directory and restores them, one step a call as the peers do,
// looks after the vault, and prints what it took as a JSON object. For bench/vault, and for tests that kill
// it; the vault's password is in REKINDLE_BENCH_PASSWORD.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/vault_parts/stage_speeds.h"
#include "bench/vault_parts/undecoded_disk.h"
#include "disk/file_disk.h"
#include "store/local_store.h"
#include "vault/restore.h"
#include "vault/vault.h"

namespace rekindle {

namespace {

struct Input {
  std::string vault;
  std::string image;
  std::string point;
  std::string parent;
  std::string areas;  // file: "offset length" a line
  int level = 1;
  std::uint64_t pack_mib = WriterOptions{}.pack_bytes / mib;
  std::size_t threads = 0;  // of a restore; 0: its default
  bool weak_password = false;
  bool data = false;
  bool undecoded = false;
};

VaultSecret secret(PasswordCost cost = {}) {
  const char* password = std::getenv("REKINDLE_BENCH_PASSWORD");  // NOLINT(concurrency-mt-unsafe)
  return VaultSecret::passphrase(password != nullptr ? password : "benchmark", cost);
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Result<Extents> areas_of(const Input& input, const FileDisk& image) {
  if (input.areas.empty()) return Extents{{0, image.size()}};
  std::ifstream in(input.areas);
  std::vector<Extent> areas;
  for (Extent area; in >> area.offset >> area.length;) areas.push_back(area);
  if (areas.empty()) return error(ErrorCode::invalid_argument, "{} names no areas", input.areas);
  return normalize(std::move(areas));
}

Result<nlohmann::json> create(const Input& input) {
  const auto store = TRY(LocalStore::open(input.vault));
  const PasswordCost cheapest{.passes = 1, .memory_kib = 8};
  TRY(Vault::create(*store, secret(input.weak_password ? cheapest : PasswordCost{})));
  return nlohmann::json::object();
}

Result<nlohmann::json> back_up(const Input& input) {
  const auto store = TRY(LocalStore::open(input.vault));
  auto begin = std::chrono::steady_clock::now();
  const auto vault = TRY(Vault::open(*store, secret()));
  const double opening = seconds_since(begin);
  const auto image = TRY(FileDisk::open(input.image, File::Mode::read));
  NewPoint point{RecoveryPointId(input.point), MachineId("machine"), {}, {{DiskId("disk"), image->size()}}};
  if (!input.parent.empty()) point.parent = RecoveryPointId(input.parent);
  begin = std::chrono::steady_clock::now();
  const auto writer =
      TRY(vault->begin_point(point, {.compression_level = input.level, .pack_bytes = input.pack_mib * mib}));
  const Extents areas = TRY(areas_of(input, *image));
  TRY(writer->copy(DiskId("disk"), *image, areas));
  const double copying = seconds_since(begin);
  begin = std::chrono::steady_clock::now();
  SystemClock clock;
  const VaultPoint stored = TRY(writer->commit(clock.now(), ""));
  return nlohmann::json{{"open_seconds", opening},
                        {"copy_seconds", copying},
                        {"commit_seconds", seconds_since(begin)},
                        {"bytes_read", stored.stats.bytes_read},
                        {"bytes_stored", stored.stats.bytes_new_stored}};
}

Result<nlohmann::json> restore(const Input& input) {
  const auto store = TRY(LocalStore::open(input.vault));
  auto begin = std::chrono::steady_clock::now();
  const auto vault = TRY(Vault::open(*store, secret()));
  const double opening = seconds_since(begin);
  begin = std::chrono::steady_clock::now();
  const auto disk = TRY(vault->open_disk(RecoveryPointId(input.point), DiskId("disk")));
  std::unique_ptr<BlockSource> undecoded;
  if (input.undecoded) undecoded = TRY(UndecodedDisk::open(*store, *disk));
  BlockSource& source = undecoded ? *undecoded : *disk;
  const std::uint64_t bytes =
      TRY(restore_to_file(source, input.image, {.range = {}, .threads = input.threads}));
  return nlohmann::json{
      {"open_seconds", opening}, {"copy_seconds", seconds_since(begin)}, {"bytes_restored", bytes}};
}

Result<nlohmann::json> list(const Input& input) {
  const auto store = TRY(LocalStore::open(input.vault));
  const auto vault = TRY(Vault::open(*store, secret()));
  const auto points = TRY(vault->list());
  auto ids = nlohmann::json::array();
  for (const VaultPoint& point : points) ids.push_back(point.id.str());
  return nlohmann::json{{"points", ids}};
}

Result<nlohmann::json> check(const Input& input) {
  const auto store = TRY(LocalStore::open(input.vault));
  const auto vault = TRY(Vault::open(*store, secret()));
  const auto report = TRY(vault->check(input.data ? CheckLevel::data : CheckLevel::structure));
  auto problems = nlohmann::json::array();
  for (const CheckProblem& problem : report.problems) problems.push_back(problem.what);
  return nlohmann::json{{"points", report.points}, {"problems", problems}};
}

Result<nlohmann::json> remove(const Input& input) {
  const auto store = TRY(LocalStore::open(input.vault));
  const auto vault = TRY(Vault::open(*store, secret()));
  TRY(vault->remove_point(RecoveryPointId(input.point)));
  return nlohmann::json::object();
}

Result<nlohmann::json> collect(const Input& input) {
  const auto store = TRY(LocalStore::open(input.vault));
  const auto vault = TRY(Vault::open(*store, secret()));
  const CollectReport report = TRY(vault->collect({}));
  return nlohmann::json{{"points", report.points},
                        {"packs_doomed", report.packs_doomed},
                        {"packs_deleted", report.packs_deleted},
                        {"packs_compacted", report.packs_compacted},
                        {"segments_merged", report.segments_merged}};
}

Result<nlohmann::json> stages(const Input& input) {
  const auto image = TRY(FileDisk::open(input.image, File::Mode::read));
  const StageSpeeds speeds = TRY(measure_stages(*image, 512 * mib, input.level, input.vault));
  return nlohmann::json{{"copy", speeds.copy},         {"hash", speeds.hash},
                        {"compress", speeds.compress}, {"encrypt", speeds.encrypt},
                        {"write", speeds.write},       {"read", speeds.read},
                        {"decrypt", speeds.decrypt},   {"decompress", speeds.decompress}};
}

using Command = Result<nlohmann::json> (*)(const Input&);

CLI::App* add(CLI::App& root, const char* name, const char* help, Command command, Command& chosen,
              Input& input) {
  CLI::App* verb = root.add_subcommand(name, help);
  verb->add_option("vault", input.vault, "Its directory")->required();
  verb->callback([command, &chosen] { chosen = command; });
  return verb;
}

int run(int argc, char** argv) {
  Input input;
  Command chosen = nullptr;
  CLI::App root("Backs up and restores raw images");
  root.require_subcommand(1);
  CLI::App* creating = add(root, "create", "Make the vault", create, chosen, input);
  CLI::App* backup = add(root, "backup", "Back an image up", back_up, chosen, input);
  CLI::App* restoring = add(root, "restore", "Restore a point into a new file", restore, chosen, input);
  add(root, "list", "The ids of its points", list, chosen, input);
  CLI::App* checking = add(root, "check", "Look for damage", check, chosen, input);
  CLI::App* removing = add(root, "remove", "Remove a point", remove, chosen, input);
  add(root, "collect", "Free what no point needs", collect, chosen, input);
  CLI::App* measuring = add(root, "stages", "Speeds of the stages on one core", stages, chosen, input);
  creating->add_flag("--weak-password", input.weak_password, "Quick to open, and to guess");
  checking->add_flag("--data", input.data, "All of the content, too");
  removing->add_option("point", input.point)->required();
  backup->add_option("image", input.image)->required();
  backup->add_option("point", input.point)->required();
  backup->add_option("--parent", input.parent);
  backup->add_option("--areas", input.areas, "Only these: a file with 'offset length' a line");
  backup->add_option("--level", input.level);
  backup->add_option("--pack-mib", input.pack_mib, "How large packs may grow")->check(CLI::Range(2, 256));
  restoring->add_option("point", input.point)->required();
  restoring->add_option("image", input.image)->required();
  restoring->add_option("--threads", input.threads);
  restoring->add_flag("--undecoded", input.undecoded, "The same reads and writes, and nothing between: junk");
  measuring->add_option("image", input.image)->required();
  measuring->add_option("--level", input.level);
  CLI11_PARSE(root, argc, argv);
  Result<nlohmann::json> done = chosen(input);
  if (!done.ok()) {
    std::cerr << "vault_images: " << done.error().message() << '\n';
    return 1;
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  (*done)["peak_mib"] = static_cast<double>(usage.ru_maxrss) / 1024;
  std::cout << done->dump() << '\n';
  return 0;
}

}  // namespace

}  // namespace rekindle

int main(int argc, char** argv) {
  return rekindle::run(argc, argv);
}
