// What this machine is: read from /proc and /sys.

#include "guest.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  char text[256];
} Name;

static bool read_line(const char* path, char* line, int size) {
  FILE* file = fopen(path, "re");
  if (!file) return false;
  bool ok = fgets(line, size, file) != NULL;
  fclose(file);
  if (ok) line[strcspn(line, "\n")] = 0;
  return ok;
}

static Name last_part(const char* path) {
  const char* slash = strrchr(path, '/');
  Name name;
  snprintf(name.text, sizeof name.text, "%.255s", slash ? slash + 1 : path);
  return name;
}

const char* boot_id(void) {
  static char id[64];  // first asked for before there are threads
  if (!id[0] && read_line("/proc/sys/kernel/random/boot_id", id, sizeof id)) id[8] = 0;
  return id;
}

// The kernel's clock stands still while a machine is saved on disk; its RTC does not.
int64_t wall_clock(void) {
  char line[32];
  if (read_line("/sys/class/rtc/rtc0/since_epoch", line, sizeof line)) return strtoll(line, NULL, 10);
  return time(NULL);
}

// The name of the driver bound to the sysfs directory, or "".
static Name driver_of(const char* directory) {
  char link[PATH_MAX + 16], target[PATH_MAX];
  snprintf(link, sizeof link, "%s/driver", directory);
  return realpath(link, target) ? last_part(target) : (Name){""};
}

// The sysfs directory of the block device that holds the filesystem of `folder`.
static bool block_device_of(const char* folder, char* path) {
  struct stat st;
  if (stat(folder, &st) != 0) return false;
  char link[64];
  snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
  return realpath(link, path) != NULL;
}

// Climbs from the block device towards the bus. The SCSI disk driver "sd" is passed by:
// what counts is the controller, because that is what differs between VMware and EC2.
static Name disk_driver(const char* block_device) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s", block_device);
  for (char* slash; (slash = strrchr(path, '/')) && slash != path; *slash = 0) {
    Name driver = driver_of(path);
    if (driver.text[0] && strcmp(driver.text, "sd") != 0) return driver;
  }
  return (Name){"unknown"};
}

// The first network interface that has hardware behind it.
static Name first_nic(Name* driver) {
  Name nic = {"none"};
  DIR* directory = opendir("/sys/class/net");
  for (struct dirent* entry; directory && (entry = readdir(directory));) {
    char device[PATH_MAX];
    snprintf(device, sizeof device, "/sys/class/net/%s/device", entry->d_name);
    *driver = driver_of(device);
    if (driver->text[0]) {
      nic = last_part(entry->d_name);
      break;
    }
  }
  if (directory) closedir(directory);
  return nic;
}

bool is_ec2(void) {
  char vendor[64];
  return read_line("/sys/class/dmi/id/sys_vendor", vendor, sizeof vendor) && strcmp(vendor, "Amazon EC2") == 0;
}

void facts_system(SystemFacts* facts) {
  *facts = (SystemFacts){"", "", ""};
  struct utsname kernel;
  if (uname(&kernel) == 0) snprintf(facts->host_name, sizeof facts->host_name, "%.63s", kernel.nodename);
  FILE* file = fopen("/etc/os-release", "re");
  char line[128];
  while (file && fgets(line, sizeof line, file)) {
    sscanf(line, "NAME=\"%63[^\"\n]", facts->name);
    sscanf(line, "VERSION_ID=\"%63[^\"\n]", facts->version);
  }
  if (file) fclose(file);
}

bool first_nic_name(char* name, size_t size) {
  Name driver = {""}, nic = first_nic(&driver);
  snprintf(name, size, "%s", nic.text);
  return driver.text[0] != 0;
}

void facts_print(FILE* out) {
  struct utsname kernel;
  uname(&kernel);
  char root[PATH_MAX] = "", data[PATH_MAX] = "", uptime[64] = "0";
  block_device_of("/", root);
  read_line("/proc/uptime", uptime, sizeof uptime);
  Name nic_driver = {""}, nic = first_nic(&nic_driver);

  fprintf(out, "{\"hostname\":\"%s\",\"kernel\":\"%s\",", kernel.nodename, kernel.release);
  fprintf(out, "\"root_device\":\"/dev/%s\",", last_part(root).text);
  fprintf(out, "\"disk_driver\":\"%s\",", disk_driver(root).text);
  if (block_device_of(DATA_DISK_DIR, data))
    fprintf(out, "\"data_device\":\"/dev/%s\",\"data_disk_driver\":\"%s\",", last_part(data).text,
            disk_driver(data).text);
  fprintf(out, "\"nic\":\"%s\",\"nic_driver\":\"%s\",", nic.text, nic_driver.text);
  fprintf(out, "\"uptime_seconds\":%.2f,\"boot_id\":\"%s\",", strtod(uptime, NULL), boot_id());
  fprintf(out, "\"ledger_lines\":%" PRIu64 ",", ledger_durable_lines());
  fprintf(out, "\"firmware\":\"%s\"}\n", access("/sys/firmware/efi", F_OK) == 0 ? "uefi" : "bios");
}
