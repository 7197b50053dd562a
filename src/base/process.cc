#include "base/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <thread>

#include "base/file.h"
#include "base/file_limit.h"

namespace rekindle {

namespace {

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "making a pipe");
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

std::vector<char*> argument_pointers(const std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// In the child, between fork and exec: async-signal-safe calls only.
// `report` closes on success and carries errno on failure.
[[noreturn]] void exec_child(char* const* arguments, int in, int out, int err, int report,
                             std::span<const int> inherited = {}) {
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  // A daemon that inherits a listening socket keeps its port taken after we are gone, and libraries do not
  // all open theirs with close-on-exec.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (const int descriptor : inherited) ::fcntl(descriptor, F_SETFD, 0);
  restore_open_files();
  ::execvp(arguments[0], arguments);
  const int reason = errno;
  const ssize_t written = ::write(report, &reason, sizeof reason);
  ::_exit(written == static_cast<ssize_t>(sizeof reason) ? 127 : 126);
}

// Waits until the other end has executed its program; an error if it could not.
Result<> await_exec(const FileDescriptor& report, const std::string& program) {
  int reason = 0;
  ssize_t got = -1;
  do {
    got = ::read(report.get(), &reason, sizeof reason);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return {};
  if (reason == ENOENT)
    return error(ErrorCode::not_found, "the program {} is not installed; run ./run setup", program);
  return errno_error(reason, fmt::format("starting {}", program));
}

Result<> drain(FileDescriptor& out, FileDescriptor& err, ProcessOutput& output) {
  std::array<pollfd, 2> polled = {pollfd{out.get(), POLLIN, 0}, pollfd{err.get(), POLLIN, 0}};
  std::array<std::string*, 2> texts = {&output.out, &output.err};
  int open = 2;
  while (open > 0) {
    if (::poll(polled.data(), polled.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "waiting for output");
    }
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = ::read(polled[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        texts[i]->append(buffer, static_cast<std::size_t>(got));
      } else if (got == 0 || errno != EINTR) {
        polled[i].fd = -1;
        --open;
      }
    }
  }
  return {};
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string last_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto start = text.rfind('\n');
  return std::string(start == std::string_view::npos ? text : text.substr(start + 1));
}

}  // namespace

Result<ProcessOutput> run_process(const std::vector<std::string>& argv) {
  CHECK(!argv.empty());
  auto out = TRY(make_pipe());
  auto err = TRY(make_pipe());
  auto report = TRY(make_pipe());
  FileDescriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::vector<char*> arguments = argument_pointers(argv);
  const pid_t child = ::fork();
  if (child < 0) return errno_error(errno, fmt::format("starting {}", argv[0]));
  if (child == 0)
    exec_child(arguments.data(), null.get(), out.write.get(), err.write.get(), report.write.get());
  out.write.reset();
  err.write.reset();
  report.write.reset();
  const Result<> started = await_exec(report.read, argv[0]);
  ProcessOutput output;
  const Result<> drained = drain(out.read, err.read, output);
  output.exit_status = wait_for(child);
  if (!started.ok()) return started.error();
  if (!drained.ok()) return drained.error();
  return output;
}

Result<std::string> run_tool(const std::vector<std::string>& argv) {
  ProcessOutput output = TRY(run_process(argv));
  if (output.exit_status != 0) {
    return error(ErrorCode::internal, "{} failed with status {}: {}", argv[0], output.exit_status,
                 last_line(output.err));
  }
  return std::move(output.out);
}

Result<pid_t> start_daemon(const std::vector<std::string>& argv, const DaemonOptions& options) {
  CHECK(!argv.empty());
  FileDescriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  FileDescriptor log(::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) return errno_error(errno, fmt::format("opening {}", options.output.string()));
  auto pipe = TRY(make_pipe());
  auto report = TRY(make_pipe());
  const std::vector<char*> arguments = argument_pointers(argv);
  const pid_t child = ::fork();
  if (child < 0) return errno_error(errno, fmt::format("starting {}", argv[0]));
  if (child == 0) {
    ::setsid();
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      exec_child(arguments.data(), null.get(), log.get(), log.get(), report.write.get(), options.inherited);
    }
    const ssize_t ignored = ::write(pipe.write.get(), &grandchild, sizeof grandchild);
    ::_exit(ignored == static_cast<ssize_t>(sizeof grandchild) ? 0 : 1);
  }
  pipe.write.reset();
  report.write.reset();
  pid_t daemon = -1;
  const ssize_t got = ::read(pipe.read.get(), &daemon, sizeof daemon);
  wait_for(child);
  if (got != static_cast<ssize_t>(sizeof daemon) || daemon < 0) {
    return error(ErrorCode::internal, "starting {}: fork failed", argv[0]);
  }
  TRY(await_exec(report.read, argv[0]));
  // Within exec there is a moment without a command line, in which process_lives() would not know it.
  for (int i = 0; i < 1000; ++i) {
    const auto command = read_text_file(fmt::format("/proc/{}/cmdline", daemon));
    if (!command.ok() || !command->empty()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return daemon;
}

bool process_lives(pid_t pid, std::string_view name_part) {
  if (pid <= 0) return false;
  const auto command = read_text_file(fmt::format("/proc/{}/cmdline", pid));
  return command.ok() && command->find(name_part) != std::string::npos;
}

namespace {

std::ptrdiff_t threads_of(pid_t pid) {
  std::error_code gone;
  const std::filesystem::directory_iterator threads(fmt::format("/proc/{}/task", pid), gone);
  return gone ? 0 : std::distance(begin(threads), end(threads));
}

}  // namespace

void kill_process(pid_t pid) {
  if (pid <= 0 || ::kill(pid, SIGKILL) != 0) return;
  while (true) {
    const auto status = read_text_file(fmt::format("/proc/{}/stat", pid));
    // Gone, or a zombie whose parent has not looked yet: either way it does nothing any more. While other
    // threads of the zombie are still ending, its files, and the locks on them, are open.
    if (!status.ok() || (status->find(") Z ") != std::string::npos && threads_of(pid) <= 1)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

namespace {

constexpr std::size_t kept_output = 4096;

// In the child, before exec. Our own threads may have blocked signals, and ignored that of a broken pipe.
void become_child_of(pid_t parent) {
  ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(126);  // it died before that was said
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(std::vector<std::string> argv) {
  CHECK(!argv.empty());
  std::unique_ptr<ChildProcess> child(new ChildProcess);
  std::promise<Result<pid_t>> started;
  auto pid = started.get_future();
  child->watcher_ =
      std::jthread([raw = child.get(), words = std::move(argv), promise = std::move(started)]() mutable {
        raw->fork_and_watch(words, std::move(promise));
      });
  TRY(pid.get());
  return child;
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) end();
}

// Linux sends the parent-death signal when the thread that forked ends, not the process: so this thread
// forks, and lives as long as the child.
void ChildProcess::fork_and_watch(const std::vector<std::string>& argv, std::promise<Result<pid_t>> started) {
  auto output = make_pipe();
  auto report = make_pipe();
  if (!output.ok() || !report.ok()) {
    started.set_value(output.ok() ? report.error() : output.error());
    return;
  }
  FileDescriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::vector<char*> arguments = argument_pointers(argv);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    become_child_of(parent);
    const int out = output->write.get();
    exec_child(arguments.data(), null.get(), out, out, report->write.get());
  }
  output->write.reset();
  report->write.reset();
  Result<> executed =
      child > 0 ? await_exec(report->read, argv[0]) : errno_error(errno, fmt::format("starting {}", argv[0]));
  if (!executed.ok()) {
    if (child > 0) wait_for(child);
    started.set_value(std::move(executed).error());
    return;
  }
  pid_ = child;
  started.set_value(child);
  await_exit(std::move(output->read));
}

void ChildProcess::await_exit(FileDescriptor output) {
  ::fcntl(output.get(), F_SETFL, O_NONBLOCK);
  // glibc 2.36 declares pidfd_open() without extern "C".
  const FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  std::array<pollfd, 2> polled = {pollfd{process.get(), POLLIN, 0}, pollfd{output.get(), POLLIN, 0}};
  while (polled[0].revents == 0 && process) {
    if (::poll(polled.data(), polled.size(), -1) < 0) polled[0].revents = polled[1].revents = 0;
    if (polled[1].revents == 0) continue;
    take_output(output);
    polled[1].fd = output.get();
  }
  siginfo_t ignored;
  while (::waitid(P_PID, static_cast<id_t>(pid_), &ignored, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  take_output(output);
  reap();
}

// Closes it at its end.
void ChildProcess::take_output(FileDescriptor& output) {
  char buffer[kept_output];
  while (output) {
    const ssize_t got = ::read(output.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return output.reset();
    const std::lock_guard lock(mutex_);
    output_.append(buffer, static_cast<std::size_t>(got));
    if (output_.size() > kept_output) output_.erase(0, output_.size() - kept_output);
  }
}

// As long as it is not waited for, nobody else gets its number: what is left of its group is killed before.
void ChildProcess::reap() {
  const std::lock_guard lock(mutex_);
  ::kill(-pid_, SIGKILL);
  status_ = wait_for(pid_);
  ended_.notify_all();
}

std::optional<int> ChildProcess::exit_status(std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  ended_.wait_for(lock, patience, [&] { return status_.has_value(); });
  return status_;
}

std::string ChildProcess::last_words() const {
  const std::lock_guard lock(mutex_);
  return last_line(output_);
}

int ChildProcess::end(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  const auto over = [&] { return status_.has_value(); };
  if (!over()) ::kill(-pid_, SIGTERM);
  if (!ended_.wait_for(lock, patience, over)) {
    ::kill(-pid_, SIGKILL);
    ended_.wait(lock, over);
  }
  return *status_;
}

}  // namespace rekindle
