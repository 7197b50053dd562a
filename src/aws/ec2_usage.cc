// Ec2Client: what the account has, whoever made it, as far as its quotas count it; and one of its settings.
#include <algorithm>

#include "aws/ec2_client.h"

namespace rekindle {

Result<std::uint64_t> Ec2Client::volume_gib_of_type(const std::string& volume_type) {
  QueryForm form("DescribeVolumes");
  form.filter("volume-type", {volume_type}).set("MaxResults", "1000");
  std::uint64_t gib_in_all = 0;
  TRY(query_->pages(form, [&](const QueryElement& root) -> Result<> {
    for (const QueryElement& volume : root.items("volumeSet")) {
      const std::uint64_t size = TRY(volume.number("size"));
      gib_in_all += size;
    }
    return {};
  }));
  return gib_in_all;
}

// A page that is one too many is not asked for.
Result<std::size_t> Ec2Client::count_snapshots(std::size_t most) {
  QueryForm form("DescribeSnapshots");
  form.list("Owner", {"self"}).set("MaxResults", "1000");
  std::size_t count = 0;
  const Result<> paged = query_->pages(form, [&](const QueryElement& root) -> Result<> {
    for ([[maybe_unused]] const QueryElement& snapshot : root.items("snapshotSet")) ++count;
    return count < most ? Result<>() : Result<>(error(ErrorCode::cancelled, "these are enough"));
  });
  if (!paged.ok() && count < most) return paged.error();
  return std::min(count, most);
}

Result<std::size_t> Ec2Client::count_pending_snapshots() {
  QueryForm form("DescribeSnapshots");
  form.list("Owner", {"self"}).filter("status", {"pending"}).set("MaxResults", "1000");
  std::size_t count = 0;
  TRY(query_->pages(form, [&](const QueryElement& root) -> Result<> {
    for ([[maybe_unused]] const QueryElement& snapshot : root.items("snapshotSet")) ++count;
    return {};
  }));
  return count;
}

Result<bool> Ec2Client::encrypts_by_default() {
  const QueryAnswer answer = TRY(query_->call(QueryForm("GetEbsEncryptionByDefault")));
  return answer.root().text("ebsEncryptionByDefault") == "true";
}

}  // namespace rekindle
