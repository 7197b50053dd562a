// The instance metadata service of EC2, version 2, as a program inside an instance asks it: a token by PUT, then the
// page with it.

#include "guest.h"

#include <arpa/inet.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char service[] = "169.254.169.254";

static struct sockaddr_in address_of(const char* text) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
  inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

// A closed network's DHCP names no router: the service is a neighbour on the link then. There already: no harm.
static void add_route(int socket) {
  struct rtentry route = {.rt_flags = RTF_UP | RTF_HOST};
  char nic[64];
  if (!first_nic_name(nic, sizeof nic)) return;
  struct sockaddr_in to = address_of(service);
  memcpy(&route.rt_dst, &to, sizeof to);
  route.rt_dev = nic;
  ioctl(socket, SIOCADDRT, &route);
}

static int connect_to_service(void) {
  struct sockaddr_in address = address_of(service);
  struct timeval limit = {.tv_sec = 5};
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return -1;
  add_route(connection);
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(connection, (struct sockaddr*)&address, sizeof address) == 0) return connection;
  close(connection);
  return -1;
}

static bool write_all(int connection, const char* bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(connection, bytes, length);
    if (written <= 0) return false;
    bytes += written;
    length -= written;
  }
  return true;
}

// 0: there is no answer, or not all of it.
static int status_of(char* answer, size_t used, char** body) {
  int status = 0;
  *body = strstr(answer, "\r\n\r\n");
  if (!*body || sscanf(answer, "HTTP/1.%*d %d", &status) != 1) return 0;
  *body += 4;
  const char* length = strstr(answer, "\r\nContent-Length:");
  bool is_whole = length && length < *body && strtoul(length + 17, NULL, 10) == used - (size_t)(*body - answer);
  return is_whole ? status : 0;
}

// Sends the request's line, its other headers (lines that end with "\r\n") and the content, and reads all that
// comes. The status, or 0 when there was no answer; `*body` points into `answer`.
static int ask(const char* line, const char* headers, const char* content, size_t length, char* answer, size_t size,
               char** body) {
  char head[1024];
  int head_length =
      snprintf(head, sizeof head, "%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", line, service, headers);
  if (head_length >= (int)sizeof head) return 0;
  int connection = connect_to_service();
  if (connection < 0) return 0;
  size_t used = 0;
  if (write_all(connection, head, head_length) && write_all(connection, content, length)) {
    for (ssize_t got; used + 1 < size && (got = read(connection, answer + used, size - 1 - used)) > 0;) used += got;
  }
  close(connection);
  answer[used] = 0;
  return status_of(answer, used, body);
}

int metadata_post(const char* path, const char* content, size_t length, char* answer, size_t size, char** body) {
  char header[64], line[512];
  snprintf(header, sizeof header, "Content-Length: %zu\r\n", length);
  snprintf(line, sizeof line, "POST %.400s", path);
  return ask(line, header, content, length, answer, size, body);
}

int metadata_get(const char* path, bool with_token, char* answer, size_t size, char** body) {
  char header[512] = "", line[512];
  if (with_token) {
    int status = ask("PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n", "", 0, answer, size, body);
    if (status != 200) return status;
    snprintf(header, sizeof header, "X-aws-ec2-metadata-token: %.400s\r\n", *body);
  }
  snprintf(line, sizeof line, "GET %.400s", path);
  return ask(line, header, "", 0, answer, size, body);
}
