// For tests: an LVM physical volume with given logical volumes. Its form was once shown to LVM's own tools,
// which took it for their own; they need device-mapper, which is not everywhere.
#pragma once

#include "guest/guest_fixture.h"

namespace rekindle::guest_fixture {

constexpr std::uint64_t lvm_extent_bytes = 4 * mib;
constexpr std::uint64_t lvm_area_bytes = mib - 4096;

inline std::uint32_t lvm_checksum(ByteView bytes) {
  std::uint32_t crc = 0xf597a6cf;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return crc;
}

inline void put(Bytes& content, std::size_t at, std::string_view text) {
  const ByteView bytes = as_bytes(text);
  std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(at));
}

inline std::string lvm_metadata(const std::string& logical_volumes) {
  return "vg0 {\nid = \"bbbbbb-bbbb-bbbb-bbbb-bbbb-bbbb-bbbbbb\"\nseqno = 1\nformat = \"lvm2\" # "
         "informational\nextent_size = 8192\n"
         "physical_volumes {\npv0 {\nid = \"aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa\"\npe_start = 2048\n}\n}\n"
         "logical_volumes {\n" +
         logical_volumes + "}\n}\ncontents = \"Text Format Volume Group\"\nversion = 1\n";
}

// Label in sector 1, metadata area at 4096, its text at `text_at` inside it, extents from 1 MiB.
inline Bytes physical_volume(std::uint64_t mib_size, const std::string& logical_volumes,
                             std::uint64_t text_at = 512) {
  Bytes content(mib_size * mib);
  put(content, 512, "LABELONE");
  store_le<std::uint64_t>(&content[512 + 8], 1);
  store_le<std::uint32_t>(&content[512 + 20], 32);
  put(content, 512 + 24, "LVM2 001");
  put(content, 512 + 32, std::string(32, 'a'));
  store_le<std::uint64_t>(&content[512 + 72], mib);    // one data area, up to the end
  store_le<std::uint64_t>(&content[512 + 104], 4096);  // one metadata area
  store_le<std::uint64_t>(&content[512 + 112], lvm_area_bytes);
  put(content, 4096 + 4, "\x20LVM2\x20x[5A%r0N*>");
  const std::string text = lvm_metadata(logical_volumes);
  store_le<std::uint64_t>(&content[4096 + 40], text_at);
  store_le<std::uint64_t>(&content[4096 + 48], text.size());
  store_le<std::uint32_t>(&content[4096 + 56], lvm_checksum(as_bytes(text)));
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint64_t at = text_at + i < lvm_area_bytes ? text_at + i : text_at + i - lvm_area_bytes + 512;
    content[4096 + at] = static_cast<std::byte>(text[i]);
  }
  return content;
}

}  // namespace rekindle::guest_fixture
