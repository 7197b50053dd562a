#include "sandbox/region/qcow2_layer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace rekindle::sandbox {

namespace {

constexpr std::uint32_t magic = 0x514649fb;
constexpr std::uint32_t cluster_bits = 19;
constexpr std::uint64_t cluster = Qcow2Layer::cluster_bytes;
constexpr std::uint64_t entries_per_table = Qcow2Layer::entries_per_table;
constexpr std::uint64_t refcounts_per_block = cluster / 2;  // refcount_order 4: 16 bits
constexpr std::uint64_t l1_at = Qcow2Layer::new_l1_offset;
constexpr std::uint64_t refcount_table_at = 2 * cluster, refcount_block_at = 3 * cluster;
constexpr std::uint64_t first_free = Qcow2Layer::new_content_offset;
constexpr std::uint64_t offset_mask = 0x00fffffffffffe00;
constexpr std::uint64_t copied = 1ULL << 63;  // refcount is one: write in place
constexpr std::uint64_t compressed = 1ULL << 62;
constexpr std::uint64_t reads_as_zero = 1;
constexpr std::uint32_t backing_format_extension = 0xe2792aca;
constexpr std::uint64_t dirty_bit = 1;  // refcounts may be wrong: no matter for reading
constexpr std::size_t header_length = 104;
constexpr std::uint64_t least_room_bytes = 2 * mib, most_room_bytes = 64 * mib;  // made at a time

Bytes make_header(std::uint64_t size_bytes, const std::string& backing_name) {
  Bytes header(4096);
  auto u32 = [&](std::size_t at, std::uint32_t value) { store_be(header.data() + at, value); };
  auto u64 = [&](std::size_t at, std::uint64_t value) { store_be(header.data() + at, value); };
  u32(0, magic);
  u32(4, 3);
  u32(20, cluster_bits);
  u64(24, size_bytes);
  u32(36, static_cast<std::uint32_t>((size_bytes + cluster * entries_per_table - 1) /
                                     (cluster * entries_per_table)));
  u64(40, l1_at);
  u64(48, refcount_table_at);
  u32(56, 1);
  u32(96, 4);
  u32(100, header_length);
  if (backing_name.empty()) return header;
  std::size_t at = header_length;
  u32(at, backing_format_extension);
  u32(at + 4, 5);
  std::memcpy(header.data() + at + 8, "qcow2", 5);
  at += 8 + 8 + 8;  // the extension padded to eight bytes, then the empty one that ends the list
  CHECK(at + backing_name.size() <= header.size());
  u64(8, at);
  u32(16, static_cast<std::uint32_t>(backing_name.size()));
  std::memcpy(header.data() + at, backing_name.data(), backing_name.size());
  return header;
}

std::vector<std::uint64_t> decode_table(ByteView bytes) {
  std::vector<std::uint64_t> entries(bytes.size() / 8);
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i] = load_be<std::uint64_t>(bytes.data() + 8 * i);
  return entries;
}

Result<> write_entry(File& file, std::uint64_t offset, std::uint64_t value) {
  std::byte bytes[8];
  store_be(bytes, value);
  return file.write_at(offset, bytes);
}

Result<Bytes> read_bytes(const File& file, std::uint64_t offset, std::size_t length) {
  Bytes bytes(length);
  TRY(file.read_at(offset, bytes));
  return bytes;
}

}  // namespace

Result<> Qcow2Layer::create(const std::filesystem::path& path, std::uint64_t size_bytes,
                            const std::string& backing_name) {
  CHECK(size_bytes <= cluster * entries_per_table * entries_per_table);
  File file = TRY(File::open(path, File::Mode::create_new));
  TRY(file.write_at(0, make_header(size_bytes, backing_name)));
  TRY(write_entry(file, refcount_table_at, refcount_block_at));
  Bytes ones(2 * first_free / cluster);
  for (std::size_t i = 0; i < ones.size() / 2; ++i) store_be<std::uint16_t>(ones.data() + 2 * i, 1);
  TRY(file.write_at(refcount_block_at, ones));
  return file.resize(first_free);
}

Qcow2Layer::Qcow2Layer(File file, std::uint64_t size_bytes, std::string backing_name, std::uint64_t l1_offset)
    : file_(std::move(file)),
      size_bytes_(size_bytes),
      backing_name_(std::move(backing_name)),
      l1_offset_(l1_offset) {}

Result<std::unique_ptr<Qcow2Layer>> Qcow2Layer::open(const std::filesystem::path& path, File::Mode mode) {
  File file = TRY(File::open(path, mode));
  const Bytes header = TRY(read_bytes(file, 0, 4096), "reading the header of {}", path.string());
  auto u32 = [&](std::size_t at) { return load_be<std::uint32_t>(header.data() + at); };
  auto u64 = [&](std::size_t at) { return load_be<std::uint64_t>(header.data() + at); };
  if (u32(0) != magic || u32(4) != 3 || u32(20) != cluster_bits || u32(32) != 0 ||
      (u64(72) & ~dirty_bit) != 0) {
    return error(ErrorCode::corrupt,
                 "{} is not a layer of the local region (qcow2 version 3, 512 KiB clusters)", path.string());
  }
  const std::uint64_t name_at = u64(8);
  const std::uint32_t name_length = u32(16);
  if (name_at > header.size() || name_length > header.size() - name_at) {
    return error(ErrorCode::corrupt, "{}: the name of the backing file lies outside of the header",
                 path.string());
  }
  const std::string backing(as_text(ByteView(header).subspan(name_at, name_length)));
  std::unique_ptr<Qcow2Layer> layer(new Qcow2Layer(std::move(file), u64(24), backing, u64(40)));
  layer->l1_.resize(u32(36));
  if (layer->l1_.size() * entries_per_table < layer->cluster_count() ||
      layer->l1_.size() > entries_per_table) {
    return error(ErrorCode::corrupt, "{}: the L1 table does not fit the size", path.string());
  }
  TRY(layer->load_tables(), "reading the tables of {}", path.string());
  if (mode != File::Mode::read) TRY(layer->begin_writing());
  return layer;
}

Result<> Qcow2Layer::load_tables() {
  const std::uint64_t length = TRY(file_.size());
  end_ = (length + cluster - 1) / cluster * cluster;
  l2_.resize(l1_.size());
  if (l1_.empty()) return {};
  const Bytes l1 = TRY(read_bytes(file_, l1_offset_, l1_.size() * 8));
  l1_ = decode_table(l1);
  for (std::size_t i = 0; i < l1_.size(); ++i) {
    l1_[i] &= offset_mask;
    if (l1_[i] == 0) continue;
    // The file may end inside its last table: what is missing is zeros.
    Bytes table(cluster);
    const std::uint64_t there = l1_[i] < length ? std::min(cluster, length - l1_[i]) : 0;
    TRY(file_.read_at(l1_[i], ByteSpan(table).first(there)));
    l2_[i] = decode_table(table);
  }
  return {};
}

// What lies behind the last cluster that something points to is room that was made before a crash.
Result<> Qcow2Layer::begin_writing() {
  direct_ = FileDescriptor(::open(file_.path().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
  end_ = (std::ranges::max(used_clusters()) + 1) * cluster;
  return file_.resize(end_);
}

std::uint64_t Qcow2Layer::entry(std::uint64_t index) const {
  const std::uint64_t table = index / entries_per_table;
  if (index >= cluster_count() || l2_[table].empty()) return 0;
  return l2_[table][index % entries_per_table];
}

Qcow2Layer::Allocation Qcow2Layer::allocation(std::uint64_t index) const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t found = entry(index);
  if ((found & reads_as_zero) != 0) return Allocation::zero;
  return (found & offset_mask) != 0 ? Allocation::data : Allocation::absent;
}

std::vector<std::uint64_t> Qcow2Layer::allocated(std::uint64_t first, std::uint64_t end) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> found;
  end = std::min(end, cluster_count());
  for (std::uint64_t index = first; index < end;) {
    if (l2_[index / entries_per_table].empty()) {
      index = (index / entries_per_table + 1) * entries_per_table;
      continue;
    }
    if (entry(index) != 0) found.push_back(index);
    ++index;
  }
  return found;
}

Result<> Qcow2Layer::read(std::uint64_t index, ByteSpan bytes) const {
  CHECK(bytes.size() == cluster);
  std::uint64_t found = 0;
  {
    const std::lock_guard lock(mutex_);
    found = entry(index);
  }
  if ((found & compressed) != 0) {
    return error(ErrorCode::corrupt, "{}: block {} is compressed, which no layer is", file_.path().string(),
                 index);
  }
  CHECK((found & offset_mask) != 0);
  return file_.read_at(found & offset_mask, bytes);
}

std::uint64_t Qcow2Layer::append_cluster() {
  const std::uint64_t offset = end_;
  end_ += cluster;
  return offset;
}

Result<std::uint64_t> Qcow2Layer::claim(std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t table = index / entries_per_table;
  if (l2_[table].empty()) {
    TRY(make_room(end_ + cluster));
    const std::uint64_t offset = append_cluster();
    TRY(write_entry(file_, l1_offset_ + 8 * table, offset | copied));
    l1_[table] = offset;
    l2_[table].assign(entries_per_table, 0);
  }
  const std::uint64_t there = l2_[table][index % entries_per_table] & offset_mask;
  if (there != 0) return there;
  TRY(make_room(end_ + cluster));
  return append_cluster();
}

// Whether the file system gave the room: false where it cannot say before it is written.
Result<bool> Qcow2Layer::reserve(std::uint64_t from, std::uint64_t length) {
  while (::fallocate(file_.fd(), 0, static_cast<off_t>(from), static_cast<off_t>(length)) != 0) {
    if (errno == EINTR) continue;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return false;
    return errno_error(errno, "making room in " + file_.path().string());
  }
  return true;
}

// Content goes side by side into a file that has the room for it already: the more was written, the more is
// made at a time. seal() gives back what is left.
Result<> Qcow2Layer::make_room(std::uint64_t end) {
  if (end <= room_end_) return {};
  const std::uint64_t wanted = end_ + std::clamp(end_, least_room_bytes, most_room_bytes);
  if (reserve(end_, wanted - end_).ok()) {
    room_end_ = wanted;
  } else {
    TRY(reserve(end_, end - end_));  // the disk is nearly full
    room_end_ = end;
  }
  if (TRY(file_.size()) < room_end_) TRY(file_.resize(room_end_));
  return {};
}

// Past the page cache, where the file system can: a snapshot of gigabytes would push out all else, and where
// a virtual machine's free memory is its host's, new pages for it cost several times what the copy does.
Result<> Qcow2Layer::write_content(std::uint64_t offset, ByteView bytes) {
  if (direct_) {
    PageBuffer aligned = buffers_.take();
    copy_bytes(bytes, aligned.span());
    const ssize_t put = ::pwrite(direct_.get(), aligned.view().data(), cluster, static_cast<off_t>(offset));
    buffers_.give_back(std::move(aligned));
    if (put == static_cast<ssize_t>(cluster)) return {};
    const bool cannot = put >= 0 || errno == EINVAL || errno == EOPNOTSUPP || errno == EINTR;
    if (!cannot) return errno_error(errno, "writing to " + file_.path().string());
  }
  return file_.write_at(offset, bytes);
}

Result<> Qcow2Layer::write(std::uint64_t index, ByteView bytes) {
  CHECK(bytes.size() == cluster && index < cluster_count());
  const std::uint64_t offset = TRY(claim(index));
  TRY(write_content(offset, bytes));
  return record(index, offset);
}

void Qcow2Layer::Unmap::operator()(std::byte* bytes) const {
  ::munmap(bytes, cluster);
}

// A write() of an entry would wait until no content is on its way to the disk, and hold up what comes after
// it.
Result<> Qcow2Layer::record(std::uint64_t index, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  std::byte* const table = TRY(mapped_table(index / entries_per_table));
  l2_[index / entries_per_table][index % entries_per_table] = offset | copied;
  store_be(table + 8 * (index % entries_per_table), offset | copied);
  return {};
}

// The file has its blocks before it is written in memory, where a full disk could not be told.
Result<std::byte*> Qcow2Layer::mapped_table(std::uint64_t table) {
  Mapping& mapping = mapped_[table];
  if (mapping) return mapping.get();
  const bool reserved = TRY(reserve(l1_[table], cluster));
  if (!reserved) {
    Bytes entries(cluster);
    for (std::size_t i = 0; i < entries_per_table; ++i) store_be(entries.data() + 8 * i, l2_[table][i]);
    TRY(file_.write_at(l1_[table], entries));
  }
  void* const mapped = ::mmap(nullptr, cluster, PROT_READ | PROT_WRITE, MAP_SHARED, file_.fd(),
                              static_cast<off_t>(l1_[table]));
  if (mapped == MAP_FAILED) return errno_error(errno, "mapping " + file_.path().string());
  mapping.reset(static_cast<std::byte*>(mapped));
  return mapping.get();
}

std::vector<std::uint64_t> Qcow2Layer::used_clusters() const {
  std::vector<std::uint64_t> used = {0, l1_at / cluster, refcount_table_at / cluster,
                                     refcount_block_at / cluster};
  for (std::size_t table = 0; table < l1_.size(); ++table) {
    if (l1_[table] != 0) used.push_back(l1_[table] / cluster);
    for (const std::uint64_t found : l2_[table]) {
      if ((found & offset_mask) != 0) used.push_back((found & offset_mask) / cluster);
    }
  }
  return used;
}

Result<> Qcow2Layer::seal() {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> used = used_clusters();
  // The first refcount block has its place; further ones go to the end and count themselves.
  std::vector<std::uint64_t> blocks = {refcount_block_at};
  while (blocks.size() * refcounts_per_block < end_ / cluster) {
    blocks.push_back(append_cluster());
    used.push_back(blocks.back() / cluster);
  }
  TRY(file_.resize(end_));
  room_end_ = end_;
  std::sort(used.begin(), used.end());
  std::vector<Bytes> counts(blocks.size());
  for (const std::uint64_t number : used) {
    // Only as far as it is used: the rest of a block stays a hole in the file.
    Bytes& block = counts[number / refcounts_per_block];
    block.resize(2 * (number % refcounts_per_block + 1));
    store_be<std::uint16_t>(block.data() + block.size() - 2, 1);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (!counts[i].empty()) TRY(file_.write_at(blocks[i], counts[i]));
    TRY(write_entry(file_, refcount_table_at + 8 * i, blocks[i]));
  }
  return {};
}

}  // namespace rekindle::sandbox
