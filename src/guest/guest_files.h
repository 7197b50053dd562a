// The files of a guest, read out of its disk: nothing is mounted, no kernel reads it.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "guest/ext4_volume.h"
#include "guest/guest_volumes.h"

namespace rekindle {

// One thread. The disk is hostile input; see Ext4Volume.
class GuestFiles {
 public:
  // The file system of `volume`: a partition's number ("2") or a logical volume ("vg0/root"); empty: the root
  // file system, or the only one. Its journal is replayed, so `disk` is written to (give it a ScratchDisk),
  // and outlives this. `not_found` names the volumes there are; `failed_precondition`: a file system that is
  // not read here, with another way.
  static Result<GuestFiles> open(BlockTarget& disk, const std::string& volume);

  const std::string& volume() const { return name_; }
  // What is in the folder, by name; or the file alone.
  Result<std::vector<FileInfo>> list(const std::string& path);

  struct Fetched {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    std::vector<std::string> left_out;  // "/dev/null: not a file": one sentence each
  };
  // Makes `to` of the file or folder at `path`, with all that is in it. Everything is made anew and nothing
  // outside `to` is touched, whatever the guest says: names cannot climb, and of symbolic links only those
  // are made that stay inside. Modes are kept (without set-user-id), owners are not. `already_exists` if `to`
  // does.
  Result<Fetched> fetch(const std::string& path, const std::filesystem::path& to, std::stop_token stop = {});

 private:
  Result<> choose(const std::string& volume);
  Result<> open_volume(GuestVolume& volume);
  Result<> fetch_into(const FileInfo& info, const std::string& path, const std::filesystem::path& to,
                      std::size_t depth, Fetched& fetched, const std::stop_token& stop);
  Result<> fetch_file(const std::string& path, const FileInfo& info, const std::filesystem::path& to,
                      Fetched& fetched, const std::stop_token& stop);
  Result<> fetch_folder(const std::string& path, const FileInfo& info, const std::filesystem::path& to,
                        std::size_t depth, Fetched& fetched, const std::stop_token& stop);

  GuestVolumes guest_;
  std::string name_;
  std::unique_ptr<Ext4Volume> files_;
  std::set<std::uint64_t> visited_;  // folders: each has one place in a sound file system
};

}  // namespace rekindle
