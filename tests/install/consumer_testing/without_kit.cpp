// The library alone: the kit's allocation counter must not come with it.

#include <cstdint>

#include <zenwire/zenwire.hpp>

extern "C" [[gnu::weak]] std::uint64_t zenwire_testing_allocations() noexcept;

int main() {
  if (&zenwire_testing_allocations != nullptr) return 1;
  return zenwire::Reactor::create({.idle = zenwire::Idle::block}).has_value() ? 0 : 2;
}
