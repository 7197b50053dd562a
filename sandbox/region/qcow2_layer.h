// One layer of a volume or snapshot: a qcow2 version 3 file with clusters of 512 KiB, the block of the EBS
// direct APIs, so that "allocated here" and "changed against the layer below" are the same thing. Format:
// https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.txt
//
//   cluster 0  header, header extension (format of the backing file), name of the backing file
//   cluster 1  L1 table (65536 entries of 32 GiB: enough for any volume)
//   cluster 2  refcount table          cluster 3  first refcount block (covers 128 GiB of file)
//   then       L2 tables and data clusters, in the order of their first write
//
// A layer is *open* while blocks are put into it: only this class reads and writes it, and the refcounts are
// not kept up to date. seal() writes them from the L1 and L2 tables; from then on QEMU can have it. A crash
// at any instant leaves an open layer usable: data is written before the entry that points to it. What
// nothing points to is a hole in the numbering that the next seal() counts as free, or, at the end, given
// back at once.
//
// Rejected: one file per block (2 million files for a TiB), raw sparse files with reflinks (not every file
// system).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/page_buffer.h"
#include "base/result.h"

namespace rekindle::sandbox {

class Qcow2Layer {
 public:
  static constexpr std::uint64_t cluster_bytes = 512 * kib;
  static constexpr std::uint64_t entries_per_table = cluster_bytes / 8;  // of L1 and of L2
  // In the file that create() makes.
  static constexpr std::uint64_t new_l1_offset = 1 * cluster_bytes, new_content_offset = 4 * cluster_bytes;
  enum class Allocation { absent, zero, data };  // absent: ask the layer below

  // An empty, sealed layer over the file `backing_name` of the same directory ("": over nothing, i.e. zeros).
  static Result<> create(const std::filesystem::path& path, std::uint64_t size_bytes,
                         const std::string& backing_name);

  // Reads the tables. A layer that QEMU wrote is fine, as long as QEMU does not write it now; compression,
  // encryption and external data files are refused (`corrupt`).
  static Result<std::unique_ptr<Qcow2Layer>> open(const std::filesystem::path& path, File::Mode mode);

  std::uint64_t size_bytes() const { return size_bytes_; }
  std::uint64_t cluster_count() const { return (size_bytes_ + cluster_bytes - 1) / cluster_bytes; }
  const std::string& backing_name() const { return backing_name_; }

  // Any index; beyond the end it is absent. Any thread.
  Allocation allocation(std::uint64_t index) const;
  // Indexes of [first, end) that are not absent, ascending. Any thread.
  std::vector<std::uint64_t> allocated(std::uint64_t first, std::uint64_t end) const;

  // A whole cluster that is `data`. Any thread.
  Result<> read(std::uint64_t index, ByteSpan cluster) const;
  // A whole cluster of an open layer; the second write of an index replaces the first. Any thread.
  Result<> write(std::uint64_t index, ByteView cluster);
  // Makes the refcounts true. May be called again, after more writes or a crash.
  Result<> seal();

 private:
  Qcow2Layer(File file, std::uint64_t size_bytes, std::string backing_name, std::uint64_t l1_offset);
  Result<> load_tables();
  Result<std::uint64_t> claim(std::uint64_t index);  // the file offset for the data of this index
  Result<> write_content(std::uint64_t offset, ByteView cluster);
  Result<> record(std::uint64_t index, std::uint64_t offset);
  Result<std::byte*> mapped_table(std::uint64_t table);
  Result<> begin_writing();
  Result<bool> reserve(std::uint64_t from, std::uint64_t length);
  Result<> make_room(std::uint64_t end);
  std::uint64_t entry(std::uint64_t index) const;
  std::uint64_t append_cluster();
  std::vector<std::uint64_t> used_clusters() const;

  struct Unmap {
    void operator()(std::byte* cluster) const;
  };
  using Mapping = std::unique_ptr<std::byte, Unmap>;

  mutable std::mutex mutex_;  // guards the tables and end_
  File file_;
  FileDescriptor direct_;  // the same file, past the page cache
  PageBufferPool buffers_{cluster_bytes};
  const std::uint64_t size_bytes_;
  const std::string backing_name_;
  const std::uint64_t l1_offset_;
  std::vector<std::uint64_t> l1_;               // file offsets of L2 tables; 0: none
  std::vector<std::vector<std::uint64_t>> l2_;  // entries as on disk; empty: no table
  std::map<std::uint64_t, Mapping> mapped_;     // of L2 tables that were written
  std::uint64_t end_ = 0;                       // where the next cluster goes
  std::uint64_t room_end_ = 0;                  // the file has room until there
};

}  // namespace rekindle::sandbox
