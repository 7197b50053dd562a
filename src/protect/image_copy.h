// From a recovery point's disk into an image, and the proof that it arrived.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <vector>

#include "disk/block_device.h"
#include "jobs/job_runner.h"
#include "model/dr_plan.h"
#include "site/recovery_target.h"

namespace rekindle {

// The indexes of the image's blocks that `areas` of a disk touch, ascending.
std::vector<std::uint64_t> blocks_of(const Extents& areas);

// The block's content: of the disk, and zeros beyond its end.
Result<Bytes> read_block(BlockSource& disk, std::uint64_t index);
// Into `content`, which has room for one.
Result<> read_block(BlockSource& disk, std::uint64_t index, ByteSpan content);

// Puts the blocks, as many at a time as the writer wants, begun in rising order. `done` blocks of an earlier
// process are not put again: only their digests are told to a writer that needs them. Every now and then, and
// at the end, `checkpoint` is told how many are done: that many from the first on, whatever is done beyond
// them. It is called on any thread, one at a time, with rising numbers.
Result<> put_blocks(BlockSource& disk, const std::vector<std::uint64_t>& blocks, std::size_t done,
                    ImageWriter& writer, Progress& progress, std::stop_token stop,
                    const std::function<Result<>(std::size_t done)>& checkpoint);

// Reads the blocks back and compares them with the disk: those that differ, ascending.
Result<std::vector<std::uint64_t>> differing_blocks(BlockSource& disk, BlockSource& image,
                                                    const std::vector<std::uint64_t>& blocks,
                                                    Progress& progress, std::stop_token stop);

// Of `blocks`, those whose content in the image has another SHA-256 (hex) than recorded, ascending.
Result<std::vector<std::uint64_t>> differing_from_record(BlockSource& image,
                                                         const std::vector<ConvertedBlock>& blocks,
                                                         Progress& progress, std::stop_token stop);

}  // namespace rekindle
