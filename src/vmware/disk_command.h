// How the disks of machines that are off are written: ESXi takes no parts of files over HTTP, and what
// VMware's VDDK speaks to it is not public. So a program of the user's choice serves the disk as NBD, by
// default nbdkit with its VDDK plugin (https://libguestfs.org/nbdkit-vddk-plugin.1.html):
//
//   nbdkit --foreground --unix {socket} vddk libdir=/opt/vmware-vix-disklib server={host} user={user}
//     password=+{password_file} thumbprint={thumbprint_sha1} vm=moref={vm} file={file}
//
// The command line is parted into words as a shell does it (blanks, quotes, backslashes; nothing else has a
// meaning), then the words in braces are filled in: whatever they hold stays one word.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "disk/block_device.h"

namespace rekindle {

struct DiskAddress {
  std::string host;
  std::uint16_t port = 443;
  std::string user;
  std::string password;    // goes into {password_file}, which is no file on any disk
  std::string thumbprint;  // SHA-256 of the server's certificate
  std::string vm;          // the machine's managed object id
  std::string file;        // "[datastore1] web/web.vmdk"
  std::uint64_t size_bytes = 0;
};

struct DiskCommandOptions {
  std::string command;
  // "AA:BB:...": VDDK knows a server by the SHA-1 of its certificate. Asked only if the command names it.
  std::function<Result<std::string>()> thumbprint_sha1;
  std::chrono::milliseconds start_patience{60000};  // until it serves the disk
  std::chrono::milliseconds answer_patience{120000};
  std::chrono::milliseconds end_patience{30000};  // until it has closed the disk
  std::stop_token stop;                           // `cancelled`
};

// `invalid_argument`: it has no {socket}, names something else in braces that is not known, or a quote is not
// closed.
Result<> check_disk_command(const std::string& command);

// Starts the command and opens what it serves. It ends with the disk, or with this process. While it lives it
// has a folder of its own for its socket; its password is in memory only. An error says what the command said
// last. `failed_precondition`: the command ended, or serves a disk of another size; `unavailable`: it serves
// nothing in time, or ended while the disk was written.
Result<std::unique_ptr<BlockTarget>> open_by_command(const DiskAddress& disk,
                                                     const DiskCommandOptions& options);

}  // namespace rekindle
