// Uploads a raw image as an EBS snapshot by the direct APIs, with the parts that replication uses, and prints
// what it took as a JSON object. For bench/aws. The keys are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "aws/aws_site.h"
#include "base/parallel.h"
#include "disk/file_disk.h"
#include "net/curl_transport.h"
#include "protect/image_copy.h"

namespace rekindle {

namespace {

struct Input {
  std::string endpoint;
  std::string region;
  std::string image;
  double puts_per_second = 0;
  bool no_quota = false;
  bool bare = false;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value != nullptr ? value : "";
}

// The same bytes, read and hashed once: what is left is the endpoint, the network and the signature.
Result<> put_bare(AwsSite& site, const ImageId& id, std::uint64_t blocks) {
  const auto writer = TRY(site.open_writer(id));
  SystemRandom random;
  Bytes content(image_block_bytes);
  random.fill(content);
  const Sha256 digest = sha256(content);
  return parallel_for(blocks, writer->puts_in_flight(), {}, [&](std::size_t i) {
    return site.ebs().put_block(id, i, content, digest, std::chrono::minutes(2));
  });
}

// `puts_end`: when the last was done; after it the snapshot is sealed.
Result<> put_image(AwsSite& site, const ImageId& id, BlockSource& disk, Clock& clock,
                   std::chrono::nanoseconds& puts_end) {
  const auto writer = TRY(site.open_writer(id));
  Progress progress;
  const auto blocks = blocks_of({{0, disk.size()}});
  TRY(put_blocks(disk, blocks, 0, *writer, progress, {}, [](std::size_t) -> Result<> { return {}; }));
  puts_end = clock.ticks();
  return writer->complete();
}

Result<nlohmann::json> upload(const Input& input) {
  SystemClock clock;
  SystemRandom random;
  CurlTransport transport;
  AwsSiteOptions options;
  options.region = input.region;
  options.endpoint = input.endpoint;
  options.credentials = {environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY")};
  if (input.puts_per_second > 0)
    options.ebs_quotas.put = {input.puts_per_second, std::max(1.0, input.puts_per_second / 50)};
  if (input.no_quota) {
    constexpr Rate none{1e6, 1e6};
    options.ebs_quotas.put = none;
    options.ebs_quotas.of_a_snapshot = none;
  }
  const auto site = TRY(AwsSite::make(options, transport, clock, random));
  const auto disk = TRY(FileDisk::open(input.image, File::Mode::read));
  const auto begin = clock.ticks();
  const ImageId id = TRY(site->start_image({disk->size(), {}, "bench", "bench-" + random.hex(8), {}}));
  const auto puts_begin = clock.ticks();
  auto puts_end = puts_begin;
  TRY(input.bare ? put_bare(*site, id, disk->size() / image_block_bytes)
                 : put_image(*site, id, *disk, clock, puts_end));
  const auto seconds = [](std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
  };
  return nlohmann::json{{"snapshot", id},
                        {"seconds", seconds(clock.ticks() - begin)},
                        {"put_seconds", seconds(puts_end - puts_begin)}};
}

}  // namespace

}  // namespace rekindle

int main(int argc, char** argv) {
  rekindle::Input input;
  CLI::App app("Uploads a raw image as an EBS snapshot.");
  app.add_option("endpoint", input.endpoint)->required();
  app.add_option("region", input.region)->required();
  app.add_option("image", input.image)->required();
  app.add_option("--puts-per-second", input.puts_per_second, "The account's quota; else AWS's default");
  app.add_flag("--no-quota", input.no_quota,
               "Neither of the account nor of a snapshot: the endpoint has none");
  app.add_flag("--bare", input.bare, "Without reading and hashing: the endpoint's own limit; not completed");
  CLI11_PARSE(app, argc, argv);
  const auto done = rekindle::upload(input);
  if (!done.ok()) {
    std::cerr << done.error().message() << "\n";
    return 1;
  }
  std::cout << done->dump() << "\n";
  return 0;
}
