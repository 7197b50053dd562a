// Runs a script as AWS's agent does: /bin/sh, a process group of its own, the first bytes of what it writes, and
// SIGKILL for all of the group when the time is up.

#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLED_CODE = 128 + SIGKILL, LOOK_MS = 100, MOST_LEFT_READS = 64 };

typedef struct {
  pid_t process;
  int pipes[2];  // the reading ends; -1 when closed
  ScriptEnd* end;
  size_t* sizes[2];
} Running;

static const size_t limits[2] = {OUTPUT_BYTES, ERROR_BYTES};

// In the child: only calls that are safe after fork() in a program with threads. Nothing of ours is left open: what
// the script leaves in the background would go on listening on our port.
static void become_shell(int out, int err, const char* path, const char* folder) {
  static char* const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                      "HOME=/root", NULL};
  setpgid(0, 0);
  signal(SIGPIPE, SIG_DFL);
  int nothing = open("/dev/null", O_RDONLY);
  if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(126);
  close_range(3, ~0U, 0);
  if (folder[0] && chdir(folder) != 0) {
    static const char sentence[] = "the working directory cannot be entered\n";
    if (write(2, sentence, sizeof sentence - 1) < 0) _exit(126);
    _exit(1);
  }
  execle("/bin/sh", "sh", path, (char*)NULL, environment);
  _exit(127);
}

// The script in a file: its text may be longer than an argument can be. Nobody else may read it.
static bool write_script(const char* script, char* path) {
  int fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0) return false;
  size_t length = strlen(script);
  bool ok = write(fd, script, length) == (ssize_t)length;
  return close(fd) == 0 && ok;
}

static bool start(const char* path, const char* folder, Running* running) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0) return false;
  if (pipe2(err, O_CLOEXEC) != 0) {
    close(out[0]);
    close(out[1]);
    return false;
  }
  running->process = fork();
  if (running->process == 0) become_shell(out[1], err[1], path, folder);
  close(out[1]);
  close(err[1]);
  running->pipes[0] = out[0];
  running->pipes[1] = err[0];
  if (running->process > 0) setpgid(running->process, running->process);  // whoever is first
  return running->process > 0;
}

// Takes what is there, of which what is too much is dropped. False at its end.
static bool take(Running* running, int which) {
  char bytes[4096];
  ssize_t got = read(running->pipes[which], bytes, sizeof bytes);
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) return false;
  size_t* size = running->sizes[which];
  size_t room = limits[which] - *size, kept = (size_t)got < room ? (size_t)got : room;
  memcpy(running->end->text[which] + *size, bytes, kept);
  *size += kept;
  return true;
}

static void look(Running* running, int wait_ms) {
  struct pollfd files[2] = {{running->pipes[0], POLLIN, 0}, {running->pipes[1], POLLIN, 0}};
  if (running->pipes[0] < 0 && running->pipes[1] < 0) {  // it writes no more, and is not over
    struct timespec pause = {.tv_nsec = wait_ms * 1000000L};
    nanosleep(&pause, NULL);
    return;
  }
  if (poll(files, 2, wait_ms) <= 0) return;
  for (int which = 0; which < 2; which++) {
    if (files[which].revents == 0 || take(running, which)) continue;
    close(running->pipes[which]);
    running->pipes[which] = -1;
  }
}

static int64_t monotonic_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

// Until the shell has ended. True when it was killed by us.
static bool watch(Running* running, long seconds, bool (*must_stop)(void*), void* context, int* status) {
  const int64_t end_ms = monotonic_ms() + seconds * INT64_C(1000);
  int64_t asked_ms = monotonic_ms();
  bool killed = false;
  while (waitpid(running->process, status, WNOHANG) == 0) {
    look(running, LOOK_MS);
    const int64_t now = monotonic_ms();
    bool stop = now >= end_ms;
    if (!stop && now - asked_ms >= 1000) {
      stop = must_stop(context);
      asked_ms = monotonic_ms();
    }
    if (stop && !killed) {
      kill(-running->process, SIGKILL);
      killed = true;
    }
  }
  return killed;
}

// What lies in the pipes when the shell has ended. Children in the background may hold them open for ever.
static void drain(Running* running) {
  for (int which = 0; which < 2; which++) {
    struct pollfd file = {running->pipes[which], POLLIN, 0};
    if (file.fd < 0) continue;
    for (int i = 0; i < MOST_LEFT_READS && poll(&file, 1, 0) > 0 && take(running, which); i++) continue;
    close(file.fd);
  }
}

static int code_of(int status, bool killed) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  return killed ? KILLED_CODE : -1;
}

// As AWS's agent ends standard error.
static void say_how_it_ended(ScriptEnd* end) {
  if (end->code == 0) return;
  char* at = end->text[1] + end->error_size;
  size_t room = ERROR_BYTES - end->error_size;
  int length = snprintf(at, room, "failed to run commands: exit status %d", end->code);
  if (length > 0 && (size_t)length < room) end->error_size += length;
}

static void fail(ScriptEnd* end, const char* what) {
  end->code = 1;
  end->error_size = snprintf(end->text[1], ERROR_BYTES, "%s: %s\n", what, strerror(errno));
}

void script_run(const char* script, const char* folder, long seconds, bool (*must_stop)(void*), void* context,
                ScriptEnd* end) {
  char path[] = "/run/script.XXXXXX";
  Running running = {.process = -1, .pipes = {-1, -1}, .end = end, .sizes = {&end->output_size, &end->error_size}};
  int status = 0;
  end->output_size = end->error_size = 0;
  if (!write_script(script, path)) {
    fail(end, "writing the script");
  } else if (!start(path, folder, &running)) {
    fail(end, "starting the script");
  } else {
    bool killed = watch(&running, seconds, must_stop, context, &status);
    end->code = code_of(status, killed);
  }
  drain(&running);
  unlink(path);
  say_how_it_ended(end);
}
