#pragma once

// UncountedIo: forwards to another Io and keeps the books of the allocations made inside it, so
// that a test can tell those of a simulator from those of the engine above it.

#include <memory>
#include <utility>

#include "allocation_counter.hpp"
#include "around_io.hpp"

namespace zenwire::test {

class CountInside {
 public:
  explicit CountInside(std::uint64_t& inside) noexcept
      : inside_(inside), before_(allocations_of_this_thread()) {}
  ~CountInside() { inside_ += allocations_of_this_thread() - before_; }
  CountInside(const CountInside&) = delete;
  CountInside& operator=(const CountInside&) = delete;

 private:
  std::uint64_t& inside_;
  std::uint64_t before_;
};

struct CountedInto {
  std::uint64_t& inside;
  CountInside operator()() const noexcept { return CountInside(inside); }
};

class UncountedIo final : public AroundIo<CountedInto> {
 public:
  // `inside` is counted up by what the Io allocates.
  UncountedIo(std::unique_ptr<Io> io, std::uint64_t& inside)
      : AroundIo(std::move(io), CountedInto{inside}) {}
};

}  // namespace zenwire::test
