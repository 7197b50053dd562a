// The ledger: "<number> <unix-seconds> <boot-id>\n", one line a second, numbered from 1.

#include "guest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ledger_fd = -1;
static uint64_t durable_lines;  // guarded by lock
static off_t durable_bytes;     // guarded by lock

static void fail(const char* what) {
  perror(what);
  exit(1);
}

// Where the last whole line ends: a crash can leave the beginning of a line behind.
static off_t end_of_last_line(int fd, off_t size) {
  char byte;
  while (size > 0 && pread(fd, &byte, 1, size - 1) == 1 && byte != '\n') size--;
  return size;
}

// The number of the line that ends at `end`, 0 for an empty ledger. A last line that
// does not parse stops the program: something damaged this disk, and that must be seen.
static uint64_t number_of_last_line(int fd, off_t end) {
  if (end == 0) return 0;
  off_t start = end_of_last_line(fd, end - 1);
  char line[128] = "";
  if (end - start < (off_t)sizeof line && pread(fd, line, end - start, start) == end - start) {
    uint64_t number;
    if (sscanf(line, "%" SCNu64 " %*d %*8[0-9a-f]", &number) == 1) return number;
  }
  fprintf(stderr, "%s: the last line is damaged, so the ledger cannot go on\n", LEDGER_PATH);
  exit(1);
}

// A new file is only durable once its directory is.
static void sync_directory(void) {
  int fd = open(APP_DIR, O_RDONLY | O_DIRECTORY);
  if (fd < 0 || fsync(fd) != 0) fail("syncing " APP_DIR);
  close(fd);
}

static void ledger_open(void) {
  ledger_fd = open(LEDGER_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  struct stat st;
  if (ledger_fd < 0 || fstat(ledger_fd, &st) != 0) fail("opening " LEDGER_PATH);
  durable_bytes = end_of_last_line(ledger_fd, st.st_size);
  durable_lines = number_of_last_line(ledger_fd, durable_bytes);
  if (ftruncate(ledger_fd, durable_bytes) != 0 || fdatasync(ledger_fd) != 0)
    fail("cutting the torn line off " LEDGER_PATH);
  sync_directory();
}

static void append_line(void) {
  uint64_t number = durable_lines + 1;
  char line[128];
  int length = snprintf(line, sizeof line, "%" PRIu64 " %" PRId64 " %s\n", number, wall_clock(), boot_id());
  // The same place until it worked: a failed attempt must not leave half a line in between.
  if (pwrite(ledger_fd, line, length, durable_bytes) != length || fdatasync(ledger_fd) != 0) {
    perror("appending to " LEDGER_PATH);
    return;
  }
  pthread_mutex_lock(&lock);
  durable_lines = number;
  durable_bytes += length;
  pthread_mutex_unlock(&lock);
}

static void* append_forever(void* unused) {
  struct timespec next, now;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (;;) {
    append_line();
    next.tv_sec++;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > next.tv_sec)  // a stalled disk: go on from here, no burst to catch up
      next = now;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
  }
  return unused;
}

void ledger_start(void) {
  ledger_open();
  boot_id();
  pthread_t thread;
  if (pthread_create(&thread, NULL, append_forever, NULL) != 0) fail("starting the ledger's thread");
}

uint64_t ledger_durable_lines(void) {
  pthread_mutex_lock(&lock);
  uint64_t lines = durable_lines;
  pthread_mutex_unlock(&lock);
  return lines;
}

// Where the last `count` lines of the first `end` bytes begin.
static off_t start_of_last_lines(uint64_t count, off_t end) {
  off_t start = end;
  while (count-- > 0 && start > 0) start = end_of_last_line(ledger_fd, start - 1);
  return start;
}

void ledger_print(FILE* out, uint64_t last) {
  pthread_mutex_lock(&lock);
  off_t end = durable_bytes;
  pthread_mutex_unlock(&lock);
  off_t start = last == 0 ? 0 : start_of_last_lines(last, end);
  char buffer[16384];
  while (start < end) {
    size_t want = end - start < (off_t)sizeof buffer ? (size_t)(end - start) : sizeof buffer;
    ssize_t got = pread(ledger_fd, buffer, want, start);
    if (got <= 0 || fwrite(buffer, 1, got, out) != (size_t)got) return;
    start += got;
  }
}
