// Decompression: what a stranger sends never passes the limit, and what we compress comes back.

#include <zenwire/codec/deflate.hpp>

#include "fuzz.hpp"

using namespace zenwire;
using zenwire::test::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  test::Input input(data, bytes);
  const unsigned choice = input.choose();
  const DeflateSide side{.window_bits = static_cast<std::uint8_t>(9 + choice % 7),
                         .no_context_takeover = (choice & 8u) != 0};
  const std::size_t limit = 64 + 16 * std::size_t{input.choose()};
  const std::size_t arena_bytes =
      2 * inflate_arena_bytes(side) + deflate_arena_bytes(side) + 4 * Arena::kAlignment_bytes;
  const auto memory = test::exact_memory(arena_bytes);
  Arena arena({memory.get(), arena_bytes});

  // Two halves, as two messages of one connection: the second may reach back into the first.
  auto inflater = Inflater::open(side, arena);
  require(inflater.has_value());
  const auto out = test::exact_memory(limit);
  const Bytes payload = input.rest();
  const std::size_t half = payload.size() / 2;
  auto inflated = inflater->inflate_message(payload.first(half), {out.get(), limit});
  if (inflated) inflated = inflater->inflate_message(payload.subspan(half), {out.get(), limit});
  if (inflated) require(*inflated <= limit);

  auto deflater = Deflater::open(side, arena);
  auto back = Inflater::open(side, arena);
  require(deflater && back);
  const auto compressed = test::exact_memory(deflate_bound_bytes(payload.size()));
  const auto restored = test::exact_memory(payload.size() + 1);
  for (int message = 0; message < 2; ++message) {
    const std::size_t length =
        deflater->deflate_message(payload, {compressed.get(), deflate_bound_bytes(payload.size())});
    const auto restored_bytes =
        back->inflate_message({compressed.get(), length}, {restored.get(), payload.size() + 1});
    require(restored_bytes && as_text({restored.get(), *restored_bytes}) == as_text(payload));
  }
  return 0;
}
