#include "recover/script.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/file_limit.h"

namespace rekindle {

namespace {

constexpr std::size_t kept_bytes = 64 * 1024;
constexpr int poll_ms = 50;

struct Running {
  pid_t pid = 0;
  FileDescriptor output;
};

// Between fork and exec only what is async-signal-safe: everything is prepared before.
Result<Running> start(const std::string& script, const std::map<std::string, std::string>& environment) {
  std::vector<std::string> words;
  for (char** word = environ; *word != nullptr; ++word) words.emplace_back(*word);
  for (const auto& [name, value] : environment) words.push_back(name + "=" + value);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  std::array<std::string, 3> arguments = {"sh", "-c", script};
  std::array<char*, 4> argv = {arguments[0].data(), arguments[1].data(), arguments[2].data(), nullptr};
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error(errno, "making a pipe");
  Running running{0, FileDescriptor(ends[0])};
  const FileDescriptor input(ends[1]);
  running.pid = ::fork();
  if (running.pid < 0) return errno_error(errno, "starting a process");
  if (running.pid == 0) {
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);  // ours are blocked
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, STDIN_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close_range(3, ~0U, 0);
    restore_open_files();
    ::execve("/bin/sh", argv.data(), pointers.data());
    ::_exit(127);
  }
  ::setpgid(running.pid, running.pid);  // also here: whoever is first
  return running;
}

// False at the end of the output.
bool read_some(int fd, std::string& output) {
  std::array<char, 4096> buffer{};
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR;
  output.append(buffer.data(), static_cast<std::size_t>(got));
  if (output.size() > 2 * kept_bytes) output.erase(0, output.size() - kept_bytes);
  return got > 0;
}

int exit_status_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Its exit status, once it has ended.
std::optional<int> ended(pid_t pid, int options = WNOHANG) {
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid, &status, options);
  } while (got < 0 && errno == EINTR);
  return got == pid ? std::optional(exit_status_of(status)) : std::nullopt;
}

// What is in the pipe now, also of children that the script left behind; they may keep it open for ever.
void read_rest(int fd, std::string& output) {
  for (pollfd waiting{fd, POLLIN, 0}; ::poll(&waiting, 1, 0) > 0 && (waiting.revents & POLLIN) != 0;) {
    if (!read_some(fd, output)) return;
  }
}

}  // namespace

std::string ScriptOutcome::last_line() const {
  const auto end = output.find_last_not_of("\r\n \t");
  if (end == std::string::npos) return "it said nothing";
  const auto start = output.find_last_of('\n', end);
  return output.substr(start == std::string::npos ? 0 : start + 1,
                       end - (start == std::string::npos ? 0 : start + 1) + 1);
}

Result<ScriptOutcome> run_script(const std::string& script,
                                 const std::map<std::string, std::string>& environment,
                                 std::chrono::seconds patience, std::stop_token stop) {
  Running running = TRY(start(script, environment));
  SystemClock clock;
  const auto deadline = clock.ticks() + patience;
  ScriptOutcome outcome;
  bool open = true;  // the pipe; a script may close it and go on
  for (;;) {
    if (const auto status = ended(running.pid)) {
      outcome.exit_status = *status;
      break;
    }
    if (clock.ticks() >= deadline || stop.stop_requested()) {
      ::kill(-running.pid, SIGKILL);
      ended(running.pid, 0);
      if (stop.stop_requested()) return error(ErrorCode::cancelled, "cancelled by the user");
      return error(ErrorCode::failed_precondition,
                   "it was still running after {} and was ended; it last said: {}", human_duration(patience),
                   outcome.last_line());
    }
    pollfd waiting{open ? running.output.get() : -1, POLLIN, 0};
    if (::poll(&waiting, 1, poll_ms) > 0) open = read_some(running.output.get(), outcome.output);
  }
  if (open) read_rest(running.output.get(), outcome.output);
  if (outcome.output.size() > kept_bytes) outcome.output.erase(0, outcome.output.size() - kept_bytes);
  return outcome;
}

}  // namespace rekindle
