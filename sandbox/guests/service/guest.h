// The application that runs inside a test guest. It gives the tests three things to
// look at from outside, over HTTP: a ledger that grows by one durable line a second (how
// much was lost?), what hardware the guest found (did the conversion work?), and a
// data file that can be changed on demand (are the changed blocks tracked?).
//
// One static program without dependencies, because it must run on any root filesystem.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifndef APP_DIR  // another one for trying it on the host
#define APP_DIR "/var/lib/app"
#endif
#define LEDGER_PATH APP_DIR "/ledger"
#ifndef DATA_DISK_DIR  // where the data disk is mounted; guests without one have no such folder
#define DATA_DISK_DIR "/data"
#endif

// ---- ledger.c: the durable ledger ----

// Opens the ledger, cuts a torn last line off, and starts the thread that appends.
// Exits the program with a message when the ledger cannot be used.
void ledger_start(void);

// Lines that are on the disk: a line counts once fdatasync has returned.
uint64_t ledger_durable_lines(void);

// Writes the durable lines to `out`: all, or only the last `last` if that is not 0.
void ledger_print(FILE* out, uint64_t last);

// ---- facts.c: what this machine is ----

// The first 8 characters of the kernel's boot id, which changes at every boot.
const char* boot_id(void);

// Seconds since 1970. Right even after the machine was resumed from a saved state.
int64_t wall_clock(void);

// The JSON object of /status.
void facts_print(FILE* out);

// Whether the hardware calls itself EC2's.
bool is_ec2(void);

typedef struct {
  char host_name[64], name[64], version[64];  // "guest-bios", "Debian GNU/Linux", "12"
} SystemFacts;
void facts_system(SystemFacts* facts);

// The name of the first network interface that has hardware behind it. False when there is none.
bool first_nic_name(char* name, size_t size);

// ---- metadata.c: what EC2 says about this machine ----

// Asks the instance metadata service for the page, "/latest/meta-data/instance-id", with a token or without.
// Returns the HTTP status, 0 when nobody answered; `*body` points into `answer`.
int metadata_get(const char* path, bool with_token, char* answer, size_t size, char** body);

// Sends `length` bytes to the page, which is beside the metadata service's own. Returns as metadata_get().
int metadata_post(const char* path, const char* content, size_t length, char* answer, size_t size, char** body);

// ---- agent.c: runs the scripts that the region has for this machine ----

// Starts the agent's thread, where the hardware says that this is an instance of EC2.
void agent_start(void);

// ---- script.c: one script, from its beginning to its end ----

// What is kept of what a script writes: of standard output, and of standard error.
enum { OUTPUT_BYTES = 24000, ERROR_BYTES = 8000 };

typedef struct {
  int code;            // exit status; 137: it was killed by us; -1: another signal ended it
  size_t output_size;  // of text[0]
  size_t error_size;   // of text[1]
  char text[2][OUTPUT_BYTES];
} ScriptEnd;

// Runs the script with /bin/sh in `folder`, or where we are if that is empty, as a process group of its own, and
// kills that after `seconds`, or once must_stop(), which is called about once a second, says so. Returns when the
// script itself has ended, whatever it left behind in the background.
void script_run(const char* script, const char* folder, long seconds, bool (*must_stop)(void* context),
                void* context, ScriptEnd* end);

// ---- data.c: files to change on demand, one a disk ----

// The size of a data file that was not filled.
enum { DATA_MIB = 192 };

// Disks are numbered: 0 is the root disk, 1 the data disk.
bool data_disk_exists(uint64_t disk);

// Overwrites `mib` MiB (1 to DATA_MIB) of the disk's data file in 64 KiB pieces at distinct
// positions, both drawn from `seed`, and waits until they are durable.
bool data_scatter(unsigned disk, unsigned mib, uint64_t seed);

// Writes the first `mib` MiB of the disk's data file with what no one can compress, drawn
// from `seed`, and waits until they are durable. The file grows when it is smaller.
bool data_fill(unsigned disk, unsigned mib, uint64_t seed);

// Digest of the whole data file, and its size: FNV-1a with 64-bit little-endian words in the
// place of bytes. False when there is no data file.
bool data_digest(unsigned disk, uint64_t* bytes, uint64_t* digest);
