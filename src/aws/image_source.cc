#include "aws/image_source.h"

#include <algorithm>

namespace rekindle {

namespace {

// Block tokens are valid for seven days; a list that does not say is taken to be good for one.
constexpr std::chrono::hours assumed_validity{24};

}  // namespace

Result<std::unique_ptr<EbsImageSource>> EbsImageSource::open(const ImageId& image, std::uint64_t size_bytes,
                                                             EbsClient& ebs, Clock& clock,
                                                             std::chrono::milliseconds settle_for) {
  std::unique_ptr<EbsImageSource> source(new EbsImageSource(image, size_bytes, ebs, clock));
  TRY(source->list_all(settle_for));
  return source;
}

Result<> EbsImageSource::list_all(std::chrono::milliseconds settle_for) {
  std::vector<Extent> found;
  std::string next;
  do {
    const SnapshotBlockPage page = TRY(ebs_.list_blocks(image_, 0, next, settle_for));
    for (const SnapshotBlock& block : page.blocks) {
      const std::uint64_t offset = block.index * image_block_bytes;
      if (!found.empty() && found.back().end() == offset) {
        found.back().length += image_block_bytes;
      } else {
        found.push_back({offset, image_block_bytes});
      }
    }
    keep_tokens(page);
    next = page.next_token;
  } while (!next.empty());
  data_ = intersect(normalize(std::move(found)), {{0, size_bytes_}});
  return {};
}

// The first windows come with the first listing: a small image needs no second one.
void EbsImageSource::keep_tokens(const SnapshotBlockPage& page) {
  const std::lock_guard lock(mutex_);
  const Time expires = page.expires.value_or(clock_.now() + assumed_validity);
  for (const SnapshotBlock& block : page.blocks) {
    const std::uint64_t number = block.index / window_blocks;
    if (windows_.size() >= cached_windows && !windows_.contains(number)) return;
    Window& window = windows_.try_emplace(number, Window{{}, expires}).first->second;
    window.tokens[block.index] = block.token;
    window.expires = std::min(window.expires, expires);
  }
}

bool EbsImageSource::exists(std::uint64_t index) const {
  const std::uint64_t offset = index * image_block_bytes;
  const auto after =
      std::upper_bound(data_.begin(), data_.end(), offset,
                       [](std::uint64_t at, const Extent& extent) { return at < extent.offset; });
  return after != data_.begin() && std::prev(after)->end() > offset;
}

EbsImageSource::Block EbsImageSource::find_cached(std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  const auto at =
      std::find_if(blocks_.begin(), blocks_.end(), [&](const auto& entry) { return entry.first == index; });
  if (at == blocks_.end()) return nullptr;
  blocks_.splice(blocks_.begin(), blocks_, at);
  return at->second;
}

void EbsImageSource::cache(std::uint64_t index, Block block) {
  const std::lock_guard lock(mutex_);
  blocks_.emplace_front(index, std::move(block));
  if (blocks_.size() > cached_blocks) blocks_.pop_back();
}

Result<EbsImageSource::Window> EbsImageSource::list_window(std::uint64_t number) {
  const std::uint64_t begin = number * window_blocks;
  const std::uint64_t end = begin + window_blocks;
  Window window{{}, clock_.now() + assumed_validity};
  std::string next;
  bool beyond = false;
  do {
    const SnapshotBlockPage page = TRY(ebs_.list_blocks(image_, begin, next));
    if (page.expires) window.expires = *page.expires;
    for (const SnapshotBlock& block : page.blocks) {
      beyond = beyond || block.index >= end;
      if (block.index >= begin && block.index < end) window.tokens[block.index] = block.token;
    }
    next = page.next_token;
  } while (!next.empty() && !beyond);
  return window;
}

Result<std::string> EbsImageSource::token_of(std::uint64_t index) {
  const std::uint64_t number = index / window_blocks;
  {
    const std::lock_guard lock(mutex_);
    const auto known = windows_.find(number);
    if (known != windows_.end() && known->second.expires > clock_.now()) {
      const auto at = known->second.tokens.find(index);
      if (at != known->second.tokens.end()) return at->second;
    }
  }
  Window window = TRY(list_window(number));
  const auto at = window.tokens.find(index);
  if (at == window.tokens.end()) {
    return error(ErrorCode::internal, "AWS does not list block {} of {} any more", index, image_);
  }
  std::string token = at->second;
  const std::lock_guard lock(mutex_);
  if (windows_.size() >= cached_windows) windows_.erase(windows_.begin());
  windows_.insert_or_assign(number, std::move(window));
  return token;
}

void EbsImageSource::forget_window(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  windows_.erase(number);
}

Result<EbsImageSource::Block> EbsImageSource::load(std::uint64_t index) {
  if (Block cached = find_cached(index)) return cached;
  const std::string token = TRY(token_of(index));
  turns_.take();
  auto content = ebs_.get_block(image_, index, token);
  if (!content.ok() && content.error().code() == ErrorCode::failed_precondition) {
    forget_window(index / window_blocks);
    const std::string fresh = TRY(token_of(index));
    content = ebs_.get_block(image_, index, fresh);
  }
  if (!content.ok()) return std::move(content).error();
  Block block = std::make_shared<const Bytes>(*std::move(content));
  cache(index, block);
  return block;
}

Result<> EbsImageSource::read_at(std::uint64_t offset, ByteSpan bytes) {
  if (offset > size_bytes_ || bytes.size() > size_bytes_ - offset) {
    return error(ErrorCode::invalid_argument, "reading {} bytes at {} of image {}, which has {} bytes",
                 bytes.size(), offset, image_, size_bytes_);
  }
  while (!bytes.empty()) {
    const std::uint64_t index = offset / image_block_bytes;
    const std::size_t within = offset % image_block_bytes;
    const std::size_t length = std::min<std::size_t>(bytes.size(), image_block_bytes - within);
    if (exists(index)) {
      const Block block = TRY(load(index));
      std::memcpy(bytes.data(), block->data() + within, length);
    } else {
      std::memset(bytes.data(), 0, length);
    }
    offset += length;
    bytes = bytes.subspan(length);
  }
  return {};
}

Result<Extents> EbsImageSource::data_extents(Extent range) {
  return intersect(data_, {range});
}

}  // namespace rekindle
