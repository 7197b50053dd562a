// Files whose blocks can be changed on demand, in places and amounts the test chooses.

#include "guest.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024, PIECES_PER_MIB = 16 };

static const char* const folders[] = {APP_DIR, DATA_DISK_DIR};
enum { DISKS = sizeof folders / sizeof *folders };

// Scattering and digesting exclude each other: a digest of a half changed file is of no use.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// splitmix64 (Steele, Lea, Flood 2014): two lines, good enough, same on every machine.
static uint64_t next_random(uint64_t* state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

// The file is allocated but not written: the disk image stays small, and yet every piece
// has its own place on the disk from the beginning. A sparse file would not do: ext4 would
// lay the scattered pieces side by side when it writes them back. It stays as large as it is.
static int open_data(unsigned disk, unsigned mib) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/data", folders[disk]);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  struct stat st;
  if (fd < 0) return -1;
  const off_t size = (off_t)mib << 20;
  if (fstat(fd, &st) != 0 || (st.st_size < size && posix_fallocate(fd, 0, size) != 0)) {
    close(fd);
    return -1;
  }
  return fd;
}

static bool write_piece(int fd, unsigned piece, uint64_t* random) {
  static uint64_t words[PIECE_BYTES / sizeof(uint64_t)];  // guarded by lock
  for (size_t i = 0; i < PIECE_BYTES / sizeof *words; i++) words[i] = next_random(random);
  return pwrite(fd, words, PIECE_BYTES, (off_t)piece * PIECE_BYTES) == PIECE_BYTES;
}

// In small portions, so that the ledger's own writes never wait long behind these.
static bool write_nth(int fd, unsigned n, unsigned piece, uint64_t* random) {
  if (!write_piece(fd, piece, random)) return false;
  return (n + 1) % (4 * PIECES_PER_MIB) != 0 || fdatasync(fd) == 0;
}

// Draws `count` of `order`, which holds the numbers of all the pieces.
static bool scatter_drawn(int fd, unsigned* order, unsigned pieces, unsigned count, uint64_t random) {
  for (unsigned i = 0; i < pieces; i++) order[i] = i;
  for (unsigned i = 0; i < count; i++) {
    unsigned other = i + next_random(&random) % (pieces - i);
    unsigned piece = order[other];
    order[other] = order[i];
    if (!write_nth(fd, i, piece, &random)) return false;
  }
  return fdatasync(fd) == 0;
}

static bool scatter(int fd, unsigned count, uint64_t seed) {
  struct stat st;
  if (fstat(fd, &st) != 0) return false;
  unsigned pieces = st.st_size / PIECE_BYTES;
  unsigned* order = malloc(pieces * sizeof *order);
  bool ok = order && scatter_drawn(fd, order, pieces, count, seed);
  free(order);
  return ok;
}

static bool fill(int fd, unsigned count, uint64_t random) {
  for (unsigned piece = 0; piece < count; piece++)
    if (!write_nth(fd, piece, piece, &random)) return false;
  return fdatasync(fd) == 0;
}

bool data_disk_exists(uint64_t disk) { return disk < DISKS && access(folders[disk], F_OK) == 0; }

bool data_scatter(unsigned disk, unsigned mib, uint64_t seed) {
  pthread_mutex_lock(&lock);
  int fd = open_data(disk, DATA_MIB);
  bool ok = fd >= 0 && scatter(fd, mib * PIECES_PER_MIB, seed);
  if (fd >= 0) close(fd);
  pthread_mutex_unlock(&lock);
  return ok;
}

bool data_fill(unsigned disk, unsigned mib, uint64_t seed) {
  pthread_mutex_lock(&lock);
  int fd = open_data(disk, mib);
  bool ok = fd >= 0 && fill(fd, mib * PIECES_PER_MIB, seed);
  if (fd >= 0) close(fd);
  pthread_mutex_unlock(&lock);
  return ok;
}

static bool digest_file(int fd, uint64_t* bytes, uint64_t* digest) {
  static uint64_t words[PIECE_BYTES / sizeof(uint64_t)];  // guarded by lock
  *bytes = 0;
  *digest = 0xcbf29ce484222325u;
  ssize_t got;
  for (; (got = read(fd, words, sizeof words)) == PIECE_BYTES; *bytes += PIECE_BYTES)
    for (size_t i = 0; i < PIECE_BYTES / sizeof *words; i++) *digest = (*digest ^ words[i]) * 0x100000001b3u;
  return got == 0;
}

bool data_digest(unsigned disk, uint64_t* bytes, uint64_t* digest) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/data", folders[disk]);
  pthread_mutex_lock(&lock);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool ok = fd >= 0 && digest_file(fd, bytes, digest);
  if (fd >= 0) close(fd);
  pthread_mutex_unlock(&lock);
  return ok;
}
