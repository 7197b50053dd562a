// point: what can be done with a recovery point without any site.
#include <algorithm>
#include <atomic>

#include "base/bytes.h"
#include "base/file.h"
#include "cli/point_commands.h"
#include "cli/progress_line.h"
#include "cli/recovery_points.h"
#include "vault/restore.h"

namespace rekindle {

namespace {

void add_point_show(CLI::App& noun, Session& session) {
  auto word = std::make_shared<std::string>();
  add_verb(noun, "show", "Show one", session,
           [&session, word](Workplace& workplace) -> Result<> {
             session.output.record(nlohmann::json(TRY(find_recovery_point(workplace, *word))));
             return {};
           })
      ->add_option("point", *word, "A recovery point's id or its beginning, or a machine: its newest")
      ->required();
}

struct RestoreInput {
  std::string point;
  std::string to;
  std::string disk;
  std::string range;
  FileRestore options;
};

// "OFFSET:LENGTH" in bytes, each with an optional k, m, g or t for powers of 1024.
Result<std::uint64_t> parse_size(const std::string& text) {
  std::size_t used = 0;
  std::uint64_t value = 0;
  while (used < text.size() && text[used] >= '0' && text[used] <= '9' && used < 18)
    value = value * 10 + static_cast<std::uint64_t>(text[used++] - '0');
  const std::string unit = text.substr(used);
  constexpr std::string_view units = "kmgt";
  const std::size_t power = unit.size() == 1 ? units.find(static_cast<char>(unit[0] | 0x20)) : units.npos;
  const int shift = unit.empty() ? 0 : 10 * static_cast<int>(power + 1);
  if (used == 0 || (!unit.empty() && power == units.npos) || (value << shift >> shift) != value) {
    return error(ErrorCode::invalid_argument, "'{}' is no size: write bytes, or 64k, 10m, 2g", text);
  }
  return value << shift;
}

Result<Extent> parse_range(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    return error(ErrorCode::invalid_argument, "--range is OFFSET:LENGTH, such as 1m:512k, not '{}'", text);
  }
  return Extent{TRY(parse_size(text.substr(0, colon))), TRY(parse_size(text.substr(colon + 1)))};
}

std::string file_name(const RecoveryPoint& point, const DiskId& disk) {
  std::string name = fmt::format("{}-{}.raw", point.machine.name, disk);
  for (char& c : name) {
    if (c == '/' || static_cast<unsigned char>(c) < ' ') c = '_';
  }
  if (name.starts_with('.')) name[0] = '_';
  return name;
}

// Draws a few times a second, whoever reports.
class RestoreLine {
 public:
  RestoreLine(Session& session, Clock& clock, const std::string& title)
      : clock_(clock), line_(clock, session.output.json) {
    line_.start(title, "restoring");
  }
  RestoreLine(const RestoreLine&) = delete;
  ~RestoreLine() { line_.finish(); }

  void add(std::uint64_t more, std::uint64_t total) {
    progress_.bytes_total = total;
    progress_.bytes_done += more;
    const std::int64_t now = clock_.ticks().count();
    std::int64_t before = drawn_;
    if (now - before < 200'000'000 || !drawn_.compare_exchange_strong(before, now)) return;
    line_.tick(progress_);
  }

 private:
  Clock& clock_;
  ProgressLine line_;
  Progress progress_;
  std::atomic<std::int64_t> drawn_ = 0;
};

Result<nlohmann::json> restore_one(Session& session, Workplace& workplace, const RecoveryPoint& point,
                                   const RecoveryPointDisk& disk, const std::filesystem::path& file,
                                   const FileRestore& options) {
  const auto source = TRY(open_disk(workplace, point, disk.disk_id));
  const auto begin = workplace.clock().ticks();
  RestoreLine line(session, workplace.clock(), "restore " + point.machine.name);
  const std::uint64_t bytes =
      TRY(restore_to_file(*source, file, options, session.interrupted,
                          [&line](std::uint64_t more, std::uint64_t total) { line.add(more, total); }),
          "restoring disk {}", disk.disk_id);
  const double seconds = std::chrono::duration<double>(workplace.clock().ticks() - begin).count();
  const std::uint64_t size = options.range ? options.range->length : disk.size_bytes;
  session.output.say(fmt::format(
      "{}: {}, {} of it data, in {:.1f} s ({}/s); every byte was checked.", file.string(), human_bytes(size),
      human_bytes(bytes), seconds,
      human_bytes(static_cast<std::uint64_t>(static_cast<double>(bytes) / std::max(seconds, 1e-3)))));
  return nlohmann::json{{"disk_id", disk.disk_id.str()},
                        {"file", file.string()},
                        {"size_bytes", size},
                        {"data_bytes", bytes},
                        {"seconds", seconds}};
}

Result<> restore(Session& session, Workplace& workplace, const RestoreInput& input) {
  const RecoveryPoint point = TRY(find_recovery_point(workplace, input.point));
  const auto disks = TRY(find_disks(point, input.disk));
  FileRestore options = input.options;
  if (!input.range.empty()) options.range = TRY(parse_range(input.range));
  std::error_code ignored;
  const bool into_folder = input.to.ends_with('/') || std::filesystem::is_directory(input.to, ignored);
  if (!into_folder && disks.size() != 1) {
    return error(ErrorCode::invalid_argument,
                 "recovery point {} has {} disks: name a folder with --to {}/, or one disk with --disk",
                 point.id, disks.size(), input.to);
  }
  if (into_folder) TRY(make_directories(input.to));
  nlohmann::json restored = nlohmann::json::array();
  for (const RecoveryPointDisk& disk : disks) {
    const std::filesystem::path to(input.to);
    const auto file = into_folder ? to / file_name(point, disk.disk_id) : to;
    restored.push_back(TRY(restore_one(session, workplace, point, disk, file, options)));
  }
  if (session.output.json) session.output.record({{"point", point.id.str()}, {"disks", restored}});
  return {};
}

void add_point_restore(CLI::App& noun, Session& session) {
  auto input = std::make_shared<RestoreInput>();
  CLI::App* verb =
      add_verb(noun, "restore", "Write disks into raw files, or onto a block device", session,
               [&session, input](Workplace& workplace) { return restore(session, workplace, *input); });
  verb->add_option("point", input->point, "A recovery point's id or its beginning, or a machine: its newest")
      ->required();
  verb->add_option("--to", input->to, "A folder, or (for one disk) a file or block device")->required();
  verb->add_option("--disk", input->disk, "Only this disk: its id, or 0 for the first");
  verb->add_option("--range", input->range, "Only OFFSET:LENGTH of the disk, such as 1m:512k");
  verb->add_option("--threads", input->options.threads,
                   "That read, check and write (default: four per core, 24 at most)");
  verb->add_flag("--overwrite", input->options.overwrite, "Replace what is there");
  verb->add_flag("--sync", input->options.sync, "Wait until a power cut cannot undo it");
}

}  // namespace

void add_point_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("point", "What is in recovery points: disks and files");
  add_list_verb<RecoveryPoint>(*noun, session, "List them",
                               {{"id", "RECOVERY POINT"},
                                {"machine.name", "MACHINE"},
                                {"time", "TIME"},
                                {"vault", "VAULT"},
                                {"full", "FULL"}});
  add_point_show(*noun, session);
  add_point_restore(*noun, session);
  add_point_serve(*noun, session);
  add_point_files(*noun, session);
  add_point_hold(*noun, session);
}

}  // namespace rekindle
