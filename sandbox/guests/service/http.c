// The HTTP server: GET only, one answer per connection.

#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { FILL_MIB = 1 << 20 };

static const char text[] = "text/plain", json[] = "application/json";

static void head(FILE* out, const char* status, const char* type) {
  fprintf(out, "HTTP/1.1 %s\r\nContent-Type: %s\r\nConnection: close\r\n\r\n", status, type);
}

static void refuse(FILE* out, const char* status, const char* sentence) {
  head(out, status, json);
  fprintf(out, "{\"error\":\"%s\"}\n", sentence);
}

// The whole number `name` of the query "a=1&b=2": 1 when there, 0 when absent, -1 when bad.
static int query_number(const char* query, const char* name, uint64_t* value) {
  size_t length = strlen(name);
  for (const char* part = query; part; part = strchr(part, '&') ? strchr(part, '&') + 1 : NULL) {
    if (strncmp(part, name, length) != 0 || part[length] != '=') continue;
    const char* digits = part + length + 1;
    char* end;
    errno = 0;
    *value = strtoull(digits, &end, 10);
    bool whole = *digits >= '0' && *digits <= '9' && (*end == 0 || *end == '&') && !errno;
    return whole ? 1 : -1;
  }
  return 0;
}

// The path after "path=", without an escape. False when it is not there, too long, or has other characters.
static bool query_path(const char* query, char path[256]) {
  char end = 0;
  const char* found = strstr(query, "path=/");
  return found && sscanf(found, "path=%255[A-Za-z0-9/._-]%c", path, &end) >= 1 && (end == 0 || end == '&');
}

static void ready(FILE* out, const char* query) {
  (void)query;
  head(out, "200 OK", text);
  fputs("ok\n", out);
}

static void ledger(FILE* out, const char* query) {
  uint64_t last = 0;
  int found = query_number(query, "last", &last);
  if (found < 0 || (found > 0 && last == 0))
    return refuse(out, "400 Bad Request", "last must be a whole number from 1");
  head(out, "200 OK", text);
  ledger_print(out, last);
}

static void status(FILE* out, const char* query) {
  (void)query;
  head(out, "200 OK", json);
  facts_print(out);
}

static double monotonic_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

// The disk that is asked for, the root disk when none is. False after a refusal.
static bool asked_disk(FILE* out, const char* query, uint64_t* disk) {
  *disk = 0;
  if (query_number(query, "disk", disk) >= 0 && data_disk_exists(*disk)) return true;
  refuse(out, "404 Not Found", "there is no such disk: 0 is the root disk, 1 the data disk if this guest has one");
  return false;
}

static void written(FILE* out, bool ok, uint64_t mib, double start) {
  if (!ok)
    return refuse(out, "500 Internal Server Error", "the data file could not be written: is the disk large enough?");
  head(out, "200 OK", json);
  fprintf(out, "{\"bytes\":%" PRIu64 ",\"seconds\":%.3f}\n", mib << 20, monotonic_seconds() - start);
}

static void scatter(FILE* out, const char* query) {
  uint64_t mib, seed, disk;
  if (!asked_disk(out, query, &disk)) return;
  if (query_number(query, "mib", &mib) != 1 || mib < 1 || mib > DATA_MIB)
    return refuse(out, "400 Bad Request", "mib must be a whole number from 1 to 192");
  if (query_number(query, "seed", &seed) != 1)
    return refuse(out, "400 Bad Request", "seed must be a whole number");
  double start = monotonic_seconds();
  written(out, data_scatter(disk, mib, seed), mib, start);
}

static void fill(FILE* out, const char* query) {
  uint64_t mib, seed = 0, disk;
  if (!asked_disk(out, query, &disk)) return;
  if (query_number(query, "mib", &mib) != 1 || mib < 1 || mib > FILL_MIB)
    return refuse(out, "400 Bad Request", "mib must be a whole number from 1 to 1048576");
  if (query_number(query, "seed", &seed) < 0)
    return refuse(out, "400 Bad Request", "seed must be a whole number");
  double start = monotonic_seconds();
  written(out, data_fill(disk, mib, seed), mib, start);
}

static void digest(FILE* out, const char* query) {
  uint64_t bytes, value, disk;
  if (!asked_disk(out, query, &disk)) return;
  if (!data_digest(disk, &bytes, &value))
    return refuse(out, "404 Not Found", "there is no data file yet: call /scatter first");
  head(out, "200 OK", json);
  fprintf(out, "{\"bytes\":%" PRIu64 ",\"digest\":\"%016" PRIx64 "\"}\n", bytes, value);
}

// What the metadata service answers to path=..., or to it without a token where token=0.
static void metadata(FILE* out, const char* query) {
  char path[256], answer[32768], *body;
  uint64_t token = 1;
  if (!query_path(query, path) || query_number(query, "token", &token) < 0)
    return refuse(out, "400 Bad Request", "path must be a path of letters, digits and /._-");
  int status = metadata_get(path, token != 0, answer, sizeof answer, &body);
  if (status == 0) return refuse(out, "502 Bad Gateway", "no metadata service answered");
  if (status != 200) {
    char sentence[64];
    snprintf(sentence, sizeof sentence, "the metadata service answered %d", status);
    return refuse(out, "502 Bad Gateway", sentence);
  }
  head(out, "200 OK", text);
  fputs(body, out);
}

static const struct {
  const char* path;
  void (*answer)(FILE* out, const char* query);
} routes[] = {
    {"/ready", ready},     {"/ledger", ledger}, {"/status", status},
    {"/scatter", scatter}, {"/fill", fill},     {"/digest", digest}, {"/metadata", metadata},
};

static void route(FILE* out, char* target) {
  char* query = strchr(target, '?');
  if (query) *query++ = 0;
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
    if (strcmp(target, routes[i].path) == 0) return routes[i].answer(out, query ? query : "");
  refuse(out, "404 Not Found", "no such page");
}

// Reads up to the empty line that ends a request's head. False when it never comes.
static bool read_head(int connection, char* request, size_t size) {
  size_t used = 0;
  while (used + 1 < size) {
    ssize_t got = read(connection, request + used, size - 1 - used);
    if (got <= 0) return false;
    used += got;
    request[used] = 0;
    if (strstr(request, "\r\n\r\n") || strstr(request, "\n\n")) return true;
  }
  return false;
}

static void serve(int connection, FILE* out) {
  char request[8192], target[1024];
  if (!read_head(connection, request, sizeof request))
    return refuse(out, "400 Bad Request", "the request's head is not complete");
  if (sscanf(request, "GET %1023s", target) != 1)
    return refuse(out, "405 Method Not Allowed", "only GET is known here");
  route(out, target);
}

static void* serve_connection(void* argument) {
  int connection = (int)(intptr_t)argument;
  FILE* out = fdopen(connection, "w");
  if (out) {
    serve(connection, out);
    fflush(out);
    shutdown(connection, SHUT_WR);
    fclose(out);
  } else {
    close(connection);
  }
  return NULL;
}

// A peer that vanished must not hold a thread for ever.
static void limit_waiting(int connection) {
  struct timeval limit = {.tv_sec = 10};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static int listen_on(uint16_t port) {
  int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (server < 0 || bind(server, (struct sockaddr*)&any, sizeof any) != 0 || listen(server, 64) != 0) {
    perror("listening for HTTP requests");
    exit(1);
  }
  return server;
}

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  int server = listen_on(argc > 1 ? (uint16_t)atoi(argv[1]) : 80);
  ledger_start();
  agent_start();
  for (;;) {
    int connection = accept(server, NULL, NULL);
    pthread_t thread;
    if (connection < 0) continue;
    limit_waiting(connection);
    if (pthread_create(&thread, NULL, serve_connection, (void*)(intptr_t)connection) == 0)
      pthread_detach(thread);
    else
      close(connection);
  }
}
