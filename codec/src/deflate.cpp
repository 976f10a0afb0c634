#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <zlib.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/deflate.hpp>

namespace zenwire {
namespace {

// What an empty stored block ends with: dropped by the sender, put back by the receiver.
constexpr std::array<std::byte, 4> kTail{std::byte{0x00}, std::byte{0x00}, std::byte{0xff},
                                         std::byte{0xff}};
static_assert(Deflater::kTail_bytes == kTail.size() + 1);

// zlib counts in 32 bits.
constexpr std::size_t kStep_bytes_max = std::size_t{1} << 30;

// zlib's deflate refuses a raw window of 256 bytes, and its inflate is as well off with 512. A
// stream made with 9 bits is fit for a peer that agreed on 8 nevertheless: zlib keeps its matches
// kMinLookahead_bytes short of the window, so that none reaches back more than 250 bytes. (A test
// reads such streams through a window of 256.) Asking zlib for 8 is the trap: its wrapped form
// takes 9 without a word, and old versions did so for the raw form too.
constexpr int kZlibWindowBits_min = 9;
constexpr std::size_t kMinLookahead_bytes = 258 + 3 + 1;
static_assert((std::size_t{1} << kZlibWindowBits_min) - kMinLookahead_bytes <=
              (std::size_t{1} << kWindowBits_min));

// zlib's own structures, of 1.2.13, with some room to grow; a test measures what it takes.
constexpr std::size_t kDeflateState_bytes = 6144;
constexpr std::size_t kInflateState_bytes = 7424;

constexpr int zlib_bits(DeflateSide side) noexcept {
  return std::max<int>(side.window_bits, kZlibWindowBits_min);
}

constexpr std::size_t padded(std::size_t bytes) noexcept {
  return bytes + Arena::kAlignment_bytes;
}

bool is_tuning(DeflateTuning tuning) noexcept {
  return tuning.level >= 0 && tuning.level <= 9 && tuning.memory_level >= 1 &&
         tuning.memory_level <= 9;
}

// zlib's hooks. The arena is there only while a stream is being opened: later there is nothing left
// to allocate, and an attempt is a broken promise.
void* allocate_from_arena(void* arena, uInt items, uInt bytes) noexcept {
  ZW_ASSERT(arena != nullptr);
  return static_cast<Arena*>(arena)->allocate(std::size_t{items} * bytes);
}
void free_to_arena(void*, void*) noexcept {}

// A stream in the arena that allocates from it; null when it does not fit.
z_stream* make_stream(Arena& arena) noexcept {
  void* const memory = arena.allocate(sizeof(z_stream));
  if (memory == nullptr) return nullptr;
  auto* const stream = std::construct_at(static_cast<z_stream*>(memory));
  stream->zalloc = allocate_from_arena;
  stream->zfree = free_to_arena;
  stream->opaque = &arena;
  return stream;
}

tl::unexpected<Error> arena_too_small() noexcept {
  return fail(Errc::memory_exhausted, "the arena is too small for the deflate state");
}

bool make_inflate_window(z_stream& stream) noexcept {
  // zlib makes the window when it first has something to put into it: give it something, and forget
  // it again.
  constexpr Bytef kAnything = 0;
  return inflateSetDictionary(&stream, &kAnything, 1) == Z_OK && inflateReset(&stream) == Z_OK;
}

Bytef* zlib_bytes(const std::byte* bytes) noexcept {
  // zlib does not write through next_in, but is not const-correct.
  return reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes));
}

// Where decompressed bytes go. When `out` is full, a single byte that is not in it: if that gets
// used, there is more than the limit.
class Output {
 public:
  explicit Output(MutableBytes out) noexcept : out_(out) {}

  void offer(z_stream& stream) noexcept {
    const MutableBytes room = out_.subspan(written_);
    at_limit_ = room.empty();
    stream.next_out = at_limit_ ? &beyond_ : zlib_bytes(room.data());
    stream.avail_out = static_cast<uInt>(at_limit_ ? 1 : std::min(room.size(), kStep_bytes_max));
    offered_ = stream.avail_out;
  }
  // False when the limit is passed.
  bool take(const z_stream& stream) noexcept {
    const uInt produced = offered_ - stream.avail_out;
    if (at_limit_) return produced == 0;
    written_ += produced;
    return true;
  }
  [[nodiscard]] std::size_t written() const noexcept { return written_; }

 private:
  MutableBytes out_;
  std::size_t written_ = 0;
  uInt offered_ = 0;
  bool at_limit_ = false;
  Bytef beyond_ = 0;
};

enum class Fed : std::uint8_t {
  all,    // everything is taken in, and more may follow
  final,  // ... and it ended with the end of a final block
  invalid,
  too_large,
};

// Takes in all of `piece`.
Fed feed(z_stream& stream, Bytes piece, Output& output) noexcept {
  for (;;) {
    const auto offered = static_cast<uInt>(std::min(piece.size(), kStep_bytes_max));
    stream.next_in = zlib_bytes(piece.data());
    stream.avail_in = offered;
    output.offer(stream);
    const int status = inflate(&stream, Z_SYNC_FLUSH);
    piece = piece.subspan(offered - stream.avail_in);
    if (!output.take(stream)) return Fed::too_large;
    if (status == Z_STREAM_END) {
      // Not the end of the connection's data: the next block starts at the next byte, with the
      // window as it is.
      inflateResetKeep(&stream);
      if (piece.empty()) return Fed::final;
      continue;
    }
    // Z_BUF_ERROR: there was nothing to do, which is how a full output shows that it was enough.
    if (status == Z_BUF_ERROR && piece.empty()) return Fed::all;
    if (status != Z_OK) return Fed::invalid;
    if (piece.empty() && stream.avail_out > 0) return Fed::all;
  }
}

// Whether the bytes taken in so far end with a whole block.
bool is_between_blocks(const z_stream& stream) noexcept {
  constexpr int kBetweenBlocks = 128;  // zlib.h, at inflate()'s Z_BLOCK
  return (stream.data_type & kBetweenBlocks) != 0;
}

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> inflate_error(Fed fed,
                                                                 const z_stream& stream) noexcept {
  if (fed == Fed::too_large)
    return fail(Errc::deflate_too_large, "the message is larger than the limit once decompressed");
  if (fed == Fed::all)
    return fail(Errc::deflate_invalid, "the compressed message ends inside a block");
  return fail(Errc::deflate_invalid, stream.msg != nullptr ? stream.msg : "not deflate data");
}

}  // namespace

std::size_t deflate_arena_bytes(DeflateSide side, DeflateTuning tuning) noexcept {
  ZW_ASSERT(is_window_bits(side.window_bits));
  ZW_ASSERT(is_tuning(tuning));
  const std::size_t window_bytes = std::size_t{1} << zlib_bits(side);
  const std::size_t hash_entries = std::size_t{1} << (tuning.memory_level + 7);
  const std::size_t symbols = std::size_t{1} << (tuning.memory_level + 6);
  return padded(sizeof(z_stream)) + padded(kDeflateState_bytes) + padded(2 * window_bytes) +
         padded(2 * window_bytes) + padded(2 * hash_entries) + padded(4 * symbols);
}

std::size_t inflate_arena_bytes(DeflateSide side) noexcept {
  ZW_ASSERT(is_window_bits(side.window_bits));
  return padded(sizeof(z_stream)) + padded(kInflateState_bytes) +
         padded(std::size_t{1} << zlib_bits(side));
}

Result<Deflater> Deflater::open(DeflateSide side, Arena& arena, DeflateTuning tuning) noexcept {
  ZW_ASSERT(is_window_bits(side.window_bits));
  ZW_ASSERT(is_tuning(tuning));
  z_stream* const stream = make_stream(arena);
  if (stream == nullptr || deflateInit2(stream, tuning.level, Z_DEFLATED, -zlib_bits(side),
                                        tuning.memory_level, Z_DEFAULT_STRATEGY) != Z_OK)
    return arena_too_small();
  stream->opaque = nullptr;
  Deflater deflater;
  deflater.stream_ = stream;
  deflater.no_context_takeover_ = side.no_context_takeover;
  return deflater;
}

std::size_t Deflater::deflate_message(Bytes in, MutableBytes out) noexcept {
  ZW_ASSERT(out.size() >= deflate_bound_bytes(in.size()));
  const auto bytes = try_deflate_message(in, out);
  ZW_ASSERT(bytes.has_value());
  return *bytes;
}

std::optional<std::size_t> Deflater::try_deflate_message(Bytes in, MutableBytes out) noexcept {
  ZW_ASSERT(is_open());
  if (out.size() < kTail_bytes)
    return std::nullopt;  // nothing was compressed, nothing is forgotten
  if (in.empty()) {
    // zlib would say that there is nothing to flush.
    out[0] = std::byte{0};
    return 1;
  }
  if (no_context_takeover_ && used_) forget();
  used_ = true;
  std::size_t written = 0;
  do {
    const auto bytes = static_cast<uInt>(std::min(in.size(), kStep_bytes_max));
    const auto room = static_cast<uInt>(std::min(out.size() - written, 2 * kStep_bytes_max));
    stream_->next_in = zlib_bytes(in.data());
    stream_->avail_in = bytes;
    stream_->next_out = zlib_bytes(out.data() + written);
    stream_->avail_out = room;
    in = in.subspan(bytes);
    const int status = deflate(stream_, in.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    ZW_ASSERT(status == Z_OK);
    if (stream_->avail_out == 0) {
      forget();
      return std::nullopt;
    }
    ZW_ASSERT(stream_->avail_in == 0);
    written += room - stream_->avail_out;
  } while (!in.empty());
  ZW_ASSERT(written > kTail.size());
  ZW_ASSERT(std::equal(kTail.begin(), kTail.end(), out.data() + written - kTail.size()));
  return written - kTail.size();
}

// What follows refers to nothing before it. The peer's window keeps what it has, and that is no
// matter: references are counted from the end.
void Deflater::forget() noexcept {
  const int status = deflateReset(stream_);
  ZW_ASSERT(status == Z_OK);
  used_ = false;
}

Result<Inflater> Inflater::open(DeflateSide side, Arena& arena) noexcept {
  ZW_ASSERT(is_window_bits(side.window_bits));
  z_stream* const stream = make_stream(arena);
  if (stream == nullptr || inflateInit2(stream, -zlib_bits(side)) != Z_OK ||
      !make_inflate_window(*stream))
    return arena_too_small();
  stream->opaque = nullptr;
  Inflater inflater;
  inflater.stream_ = stream;
  inflater.no_context_takeover_ = side.no_context_takeover;
  return inflater;
}

Result<std::size_t> Inflater::inflate_message(Bytes in, MutableBytes out) noexcept {
  ZW_ASSERT(is_open());
  if (in.empty()) return std::size_t{0};
  if (no_context_takeover_) inflateReset(stream_);
  Output output(out);
  Fed fed = feed(*stream_, in, output);
  if (fed == Fed::all) {
    fed = feed(*stream_, kTail, output);
    if (fed == Fed::all && !is_between_blocks(*stream_)) return inflate_error(fed, *stream_);
  }
  if (fed == Fed::invalid || fed == Fed::too_large) return inflate_error(fed, *stream_);
  return output.written();
}

}  // namespace zenwire
