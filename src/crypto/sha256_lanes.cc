#include "crypto/sha256_lanes.h"

#include <immintrin.h>

namespace rekindle {

namespace {

// FIPS 180-4, section 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64
// primes.
alignas(64) constexpr std::array<std::uint32_t, 64> round_constants{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define REKINDLE_SHA __attribute__((target("sha,sse4.1,avx")))

__m128i load(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
void store(void* to, __m128i value) {
  _mm_storeu_si128(static_cast<__m128i*>(to), value);
}

// The SHA unit wants a state as ABEF and CDGH.
struct Lane {
  __m128i abef;
  __m128i cdgh;
};

REKINDLE_SHA inline Lane unpack(const Sha256State& state) {
  const __m128i badc = _mm_shuffle_epi32(load(state.data()), 0xB1);
  const __m128i hgfe = _mm_shuffle_epi32(load(state.data() + 4), 0x1B);
  return {_mm_alignr_epi8(badc, hgfe, 8), _mm_blend_epi16(hgfe, badc, 0xF0)};
}

REKINDLE_SHA inline void pack(const Lane& lane, Sha256State& state) {
  const __m128i feba = _mm_shuffle_epi32(lane.abef, 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(lane.cdgh, 0xB1);
  store(state.data(), _mm_blend_epi16(feba, dchg, 0xF0));
  store(state.data() + 4, _mm_alignr_epi8(dchg, feba, 8));
}

// The next four words of the message schedule, from the sixteen before.
REKINDLE_SHA inline __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3) {
  const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
  return _mm_sha256msg2_epu32(sum, w3);
}

template <int lanes>
REKINDLE_SHA void compress(Sha256State* states, const std::byte* const* messages, std::size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  Lane state[lanes];
  for (int lane = 0; lane < lanes; ++lane) state[lane] = unpack(states[lane]);
  for (std::size_t block = 0; block < blocks; ++block) {
    Lane before[lanes];
    __m128i words[lanes][4];
    for (int lane = 0; lane < lanes; ++lane) before[lane] = state[lane];
#pragma GCC unroll 16
    for (int quad = 0; quad < 16; ++quad) {  // four rounds each
#pragma GCC unroll 4
      for (int lane = 0; lane < lanes; ++lane) {
        __m128i* w = words[lane];
        const std::byte* at = messages[lane] + block * sha256_block_bytes + (quad % 4) * 16;
        w[quad % 4] = quad < 4
                          ? _mm_shuffle_epi8(load(at), big_endian)
                          : next_words(w[quad % 4], w[(quad + 1) % 4], w[(quad + 2) % 4], w[(quad + 3) % 4]);
        const __m128i input =
            _mm_add_epi32(w[quad % 4], load(&round_constants[static_cast<std::size_t>(quad) * 4]));
        state[lane].cdgh = _mm_sha256rnds2_epu32(state[lane].cdgh, state[lane].abef, input);
        state[lane].abef =
            _mm_sha256rnds2_epu32(state[lane].abef, state[lane].cdgh, _mm_shuffle_epi32(input, 0x0E));
      }
    }
    for (int lane = 0; lane < lanes; ++lane) {
      state[lane].abef = _mm_add_epi32(state[lane].abef, before[lane].abef);
      state[lane].cdgh = _mm_add_epi32(state[lane].cdgh, before[lane].cdgh);
    }
  }
  for (int lane = 0; lane < lanes; ++lane) pack(state[lane], states[lane]);
}

// CPUID leaf 7: EBX bit 29. GCC 12's __builtin_cpu_supports does not know "sha".
bool has_sha() {
  unsigned a = 7;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return (b >> 29 & 1) != 0;
}

}  // namespace

bool sha256_lanes_work() {
  static const bool works =
      __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("sse4.1") != 0 && has_sha();
  return works;
}

void sha256_compress(std::span<Sha256State> states, std::span<const std::byte* const> messages,
                     std::size_t block_count) {
  CHECK(states.size() == messages.size() && !states.empty() && states.size() <= sha256_most_lanes);
  switch (states.size()) {
    case 1:
      return compress<1>(states.data(), messages.data(), block_count);
    case 2:
      return compress<2>(states.data(), messages.data(), block_count);
    case 3:
      return compress<3>(states.data(), messages.data(), block_count);
    default:
      return compress<4>(states.data(), messages.data(), block_count);
  }
}

}  // namespace rekindle
