#include "vmware/disk_command.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "nbd/nbd_disk.h"

namespace rekindle {

namespace {

constexpr std::chrono::milliseconds poll_pause{20};
// A program that dies closes its sockets a little before its end can be seen.
constexpr std::chrono::milliseconds death_patience{2000};

using Values = std::map<std::string, std::string, std::less<>>;

Result<std::vector<std::string>> words_of(const std::string& line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) return error(ErrorCode::invalid_argument, "a quote ({}) is not closed", quote);
  return words;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string listed(const Values& values) {
  std::vector<std::string> names;
  for (const auto& [name, value] : values) names.push_back("{" + name + "}");
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<std::string> filled(const std::string& word, const Values& values) {
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const auto end = word[i] == '{' ? word.find('}', i) : std::string::npos;
    const std::string name = end == std::string::npos ? "" : word.substr(i + 1, end - i - 1);
    if (!is_name(name)) {
      text += word[i];
      continue;
    }
    const auto value = values.find(name);
    if (value == values.end()) {
      return error(ErrorCode::invalid_argument, "{{{}}} is not known; known are {}", name, listed(values));
    }
    text += value->second;
    i = end;
  }
  return text;
}

Result<std::vector<std::string>> filled_words(const std::string& command, const Values& values) {
  std::vector<std::string> argv;
  const auto words = TRY(words_of(command));
  for (const std::string& word : words) {
    const std::string text = TRY(filled(word, values));
    argv.push_back(text);
  }
  if (argv.empty()) return error(ErrorCode::invalid_argument, "it is empty");
  return argv;
}

// A file that is only in our memory, under a name that others of the same user can open while we hold it.
// Nothing is left of it, however we end.
class SecretFile {
 public:
  static Result<SecretFile> make(const std::string& secret) {
    FileDescriptor file(::memfd_create("rekindle", MFD_CLOEXEC));
    if (!file) return errno_error(errno, "making a file in memory");
    if (::write(file.get(), secret.data(), secret.size()) != static_cast<ssize_t>(secret.size()))
      return errno_error(errno, "writing a file in memory");
    return SecretFile(std::move(file));
  }
  std::string path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), file_.get()); }

 private:
  explicit SecretFile(FileDescriptor file) : file_(std::move(file)) {}
  FileDescriptor file_;
};

// The disk, and what it needs to be there. Members go in reverse: connection, program, socket.
class CommandDisk final : public BlockTarget {
 public:
  CommandDisk(TemporaryDirectory folder, SecretFile secret, std::unique_ptr<ChildProcess> program,
              std::unique_ptr<nbd::NbdDisk> disk, std::chrono::milliseconds end_patience)
      : folder_(std::move(folder)),
        secret_(std::move(secret)),
        program_(std::move(program)),
        disk_(std::move(disk)),
        end_patience_(end_patience) {}
  ~CommandDisk() override {
    const bool lived = !program_->exit_status().has_value();
    disk_.reset();
    const int status = program_->end(end_patience_);
    if (lived && status != 0 && status != 128 + SIGTERM) {
      log::warn("the disk command ended with status {} when the disk was closed: {}", status,
                program_->last_words());
    }
  }

  std::uint64_t size() const override { return disk_->size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
    return explained(disk_->read_at(offset, bytes));
  }
  Result<> write_at(std::uint64_t offset, ByteView bytes) override {
    return explained(disk_->write_at(offset, bytes));
  }
  Result<> write_zeros(std::uint64_t offset, std::uint64_t length) override {
    return explained(disk_->write_zeros(offset, length));
  }
  Result<> flush() override { return explained(disk_->flush()); }
  Result<Extents> data_extents(Extent range) override { return explained(disk_->data_extents(range)); }

 private:
  // NBD carries no sentences: what the program wrote says more.
  template <typename T>
  Result<T> explained(Result<T> result) const {
    if (result.ok() || result.error().code() == ErrorCode::cancelled) return result;
    const bool lost = result.error().code() == ErrorCode::unavailable;
    const auto status = program_->exit_status(lost ? death_patience : std::chrono::milliseconds(0));
    const std::string words = program_->last_words();
    if (status) {
      return error(result.error().code(), "the disk command ended with status {} ({}): {}", *status,
                   words.empty() ? "it said nothing" : words, result.error().message());
    }
    if (words.empty()) return result;
    return error(result.error().code(), "{} (the disk command says: {})", result.error().message(), words);
  }

  TemporaryDirectory folder_;
  SecretFile secret_;
  std::unique_ptr<ChildProcess> program_;
  std::unique_ptr<nbd::NbdDisk> disk_;
  const std::chrono::milliseconds end_patience_;
};

Values values_of(const DiskAddress& disk) {
  return {{"socket", ""},          {"host", disk.host},   {"port", std::to_string(disk.port)},
          {"user", disk.user},     {"password_file", ""}, {"thumbprint", disk.thumbprint},
          {"thumbprint_sha1", ""}, {"vm", disk.vm},       {"file", disk.file}};
}

Error ended_early(const ChildProcess& program, int status) {
  const std::string words = program.last_words();
  const char* advice = status == 0 ? " It must stay in the foreground (nbdkit: --foreground)." : "";
  return error(ErrorCode::failed_precondition,
               "the disk command ended with status {} before it served the disk: {}.{} Give one that works "
               "with 'rekindle datacenter add ... --disk-command'",
               status, words.empty() ? "it said nothing" : words, advice);
}

// The socket's file is there a moment before it can be connected to.
Result<std::unique_ptr<nbd::NbdDisk>> await_disk(const ChildProcess& program,
                                                 const std::filesystem::path& socket,
                                                 const DiskCommandOptions& options) {
  const auto deadline = std::chrono::steady_clock::now() + options.start_patience;
  SystemClock clock;
  while (true) {
    if (options.stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    nbd::NbdDiskOptions connection;
    connection.patience = options.answer_patience;
    connection.connect_patience = std::max(left, poll_pause);
    connection.stop = options.stop;
    std::error_code absent;
    const bool there = std::filesystem::exists(socket, absent);
    auto disk = there ? nbd::NbdDisk::connect(socket, connection)
                      : Result<std::unique_ptr<nbd::NbdDisk>>(Error(ErrorCode::unavailable, "no socket"));
    if (disk.ok()) return disk;
    if (const auto status = program.exit_status(poll_pause)) return ended_early(program, *status);
    if (!disk.error().transient()) return disk;
    if (left <= std::chrono::milliseconds(0)) {
      const std::string words = program.last_words();
      return error(ErrorCode::unavailable, "the disk command serves no disk at its {{socket}} after {} ({})",
                   human_duration(options.start_patience), words.empty() ? "it said nothing" : words);
    }
  }
}

}  // namespace

Result<> check_disk_command(const std::string& command) {
  Values values = values_of({});
  values["socket"] = "\n";  // nobody writes that
  const auto argv = TRY(filled_words(command, values), "the disk command");
  const bool names_socket =
      std::ranges::any_of(argv, [](const std::string& word) { return word.find('\n') != std::string::npos; });
  if (names_socket) return {};
  return error(ErrorCode::invalid_argument,
               "the disk command does not say where it serves the disk: give {{socket}} to it, as in 'nbdkit "
               "--foreground --unix {{socket}} ...'");
}

Result<std::unique_ptr<BlockTarget>> open_by_command(const DiskAddress& disk,
                                                     const DiskCommandOptions& options) {
  auto folder = TRY(TemporaryDirectory::make("rekindle-disk"));
  auto secret = TRY(SecretFile::make(disk.password));
  const auto socket = folder.path() / "nbd";
  Values values = values_of(disk);
  values["socket"] = socket.string();
  values["password_file"] = secret.path();
  if (options.command.find("{thumbprint_sha1}") != std::string::npos && options.thumbprint_sha1)
    values["thumbprint_sha1"] = TRY(options.thumbprint_sha1());
  const auto argv = TRY(filled_words(options.command, values), "the disk command");
  auto program = TRY(ChildProcess::start(argv), "the disk command");
  auto served = await_disk(*program, socket, options);
  if (!served.ok()) {
    program->end(options.end_patience);
    return std::move(served).error();
  }
  const std::uint64_t size = (*served)->size();
  auto opened = std::make_unique<CommandDisk>(std::move(folder), std::move(secret), std::move(program),
                                              *std::move(served), options.end_patience);
  if (size == disk.size_bytes) return std::unique_ptr<BlockTarget>(std::move(opened));
  return error(ErrorCode::failed_precondition,
               "the disk command serves a disk of {} bytes, but {} has {}: is it another disk?", size,
               disk.file, disk.size_bytes);
}

}  // namespace rekindle
