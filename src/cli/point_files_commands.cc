// point ls, point get: files of the guest, without starting it.
#include "base/bytes.h"
#include "base/file.h"
#include "cli/point_commands.h"
#include "cli/served_disk.h"
#include "guest/guest_files.h"

namespace rekindle {

namespace {

constexpr std::uint64_t cache_bytes = 64 * mib;

struct FilesInput {
  std::string point;
  std::string disk;
  std::string volume;
  std::string path = "/";
  std::string to;
};

// The guest's names on the user's terminal: no control characters, no broken UTF-8.
std::string printable(const std::string& text) {
  using Json = nlohmann::json;
  const std::string valid = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string shown = Json::parse(valid).get<std::string>();
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = '?';
  }
  return shown;
}

std::string_view word(FileKind kind) {
  switch (kind) {
    case FileKind::file:
      return "file";
    case FileKind::directory:
      return "folder";
    case FileKind::symbolic_link:
      return "link";
    case FileKind::other:
      break;
  }
  return "other";
}

nlohmann::json shown(const FileInfo& info) {
  const std::string name = printable(info.name);
  nlohmann::json record{{"name", name},
                        {"kind", word(info.kind)},
                        {"size_bytes", info.size_bytes},
                        {"mode", fmt::format("{:04o}", info.mode)},
                        {"owner", info.owner},
                        {"group", info.group},
                        {"modified", to_iso8601(Time(std::chrono::seconds(info.modified)))}};
  if (info.kind == FileKind::symbolic_link) record["target"] = printable(info.target);
  record["shown"] =
      info.kind == FileKind::symbolic_link ? fmt::format("{} -> {}", name, printable(info.target)) : name;
  return record;
}

struct OpenFiles {
  TemporaryDirectory folder;
  ServedDisk disk;
  GuestFiles files;  // reads the disk
};

Result<OpenFiles> open_files(Workplace& workplace, const FilesInput& input) {
  const RecoveryPoint point = TRY(find_recovery_point(workplace, input.point));
  const RecoveryPointDisk disk = TRY(find_disk(point, input.disk));
  auto folder = TRY(TemporaryDirectory::make("rekindle-point"));
  auto served = TRY(open_served_disk(workplace, point, disk.disk_id, folder.path(), cache_bytes));
  auto files = TRY(GuestFiles::open(*served.scratch, input.volume), "disk {}", disk.disk_id);
  return OpenFiles{std::move(folder), std::move(served), std::move(files)};
}

std::string absolute(const std::string& path) {
  std::string full = path.starts_with('/') ? path : "/" + path;
  while (full.size() > 1 && full.ends_with('/')) full.pop_back();
  return full;
}

Result<> list(Session& session, Workplace& workplace, const FilesInput& input) {
  auto open = TRY(open_files(workplace, input));
  const auto infos = TRY(open.files.list(absolute(input.path)));
  std::vector<nlohmann::json> records;
  for (const FileInfo& info : infos) {
    records.push_back(shown(info));
    if (session.output.json) records.back().erase("shown");
  }
  session.output.records(records, {{"kind", "KIND"},
                                   {"mode", "MODE"},
                                   {"owner", "OWNER"},
                                   {"size_bytes", "BYTES"},
                                   {"modified", "MODIFIED"},
                                   {"shown", "NAME"}});
  return {};
}

std::filesystem::path destination(const FilesInput& input) {
  const std::string path = absolute(input.path);
  const std::string name = path == "/" ? input.point : path.substr(path.rfind('/') + 1);
  std::error_code ignored;
  const bool folder = input.to.ends_with('/') || std::filesystem::is_directory(input.to, ignored);
  return folder ? std::filesystem::path(input.to) / name : std::filesystem::path(input.to);
}

Result<> get(Session& session, Workplace& workplace, const FilesInput& input) {
  if (input.path.ends_with("/..") || input.path == "..") {
    return error(ErrorCode::invalid_argument, "name a file or folder of the guest, not '{}'", input.path);
  }
  auto open = TRY(open_files(workplace, input));
  const std::filesystem::path to = destination(input);
  if (to.has_parent_path()) TRY(make_directories(to.parent_path()));
  const auto fetched = TRY(open.files.fetch(absolute(input.path), to, session.interrupted));
  nlohmann::json left_out = nlohmann::json::array();
  for (const std::string& sentence : fetched.left_out) {
    left_out.push_back(printable(sentence));
    session.output.say("left out: " + printable(sentence));
  }
  session.output.say(fmt::format("{}: {} files, {}, from {}.", to.string(), fetched.files,
                                 human_bytes(fetched.bytes), open.files.volume()));
  if (session.output.json) {
    session.output.record(
        {{"to", to.string()}, {"files", fetched.files}, {"bytes", fetched.bytes}, {"left_out", left_out}});
  }
  return {};
}

void add_common(CLI::App& verb, FilesInput& input) {
  verb.add_option("point", input.point, "A recovery point's id or its beginning, or a machine: its newest")
      ->required();
  verb.add_option("--disk", input.disk, "A disk's id or number (default: the first)");
  verb.add_option("--volume", input.volume, "A partition's number or VG/LV (default: the root file system)");
}

}  // namespace

void add_point_files(CLI::App& noun, Session& session) {
  auto listed = std::make_shared<FilesInput>();
  CLI::App* ls =
      add_verb(noun, "ls", "List files of the guest (ext2/3/4)", session,
               [&session, listed](Workplace& workplace) { return list(session, workplace, *listed); });
  add_common(*ls, *listed);
  ls->add_option("path", listed->path, "A folder or file of the guest")->capture_default_str();
  auto wanted = std::make_shared<FilesInput>();
  wanted->to = ".";
  CLI::App* fetch =
      add_verb(noun, "get", "Fetch a file or folder of the guest (ext2/3/4)", session,
               [&session, wanted](Workplace& workplace) { return get(session, workplace, *wanted); });
  add_common(*fetch, *wanted);
  fetch->add_option("path", wanted->path, "A file or folder of the guest")->required();
  fetch->add_option("to", wanted->to, "Where to; a folder that exists gets it under its name")
      ->capture_default_str();
}

}  // namespace rekindle
