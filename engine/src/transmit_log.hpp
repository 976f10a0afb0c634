#pragma once

// TransmitLog: what a connection gave to the kernel and has no stamp of yet.
//
// Thread: the reactor's. Lifetime: a connection's; made when one asks for stamps. Beyond
// kSends_max sends on the way, which a slow path to the device may hold, the oldest goes without.

#include <array>
#include <cstddef>
#include <cstdint>

#include <zenwire/base/assert.hpp>
#include <zenwire/engine/passport.hpp>

namespace zenwire::detail {

class TransmitLog {
 public:
  static constexpr std::size_t kSends_max = 64;
  static_assert((kSends_max & (kSends_max - 1)) == 0);

  void sent(std::size_t bytes, std::uint64_t sent_ns) noexcept {
    ZW_ASSERT(bytes > 0);
    bytes_ += bytes;
    if (last_ - first_ == kSends_max) ++first_;
    sends_[last_++ % kSends_max] = {.bytes = bytes_, .sent_ns = sent_ns};
  }
  [[nodiscard]] bool empty() const noexcept { return first_ == last_; }

  // The kernel numbers the bytes of a connection from 0, in 32 bits; the stamp is that of
  // `last_byte`. Sends that went in one segment have one stamp, their last. False: of none that
  // is known.
  [[nodiscard]] bool left(std::uint32_t last_byte, std::uint64_t kernel_ns,
                          Transmitted& news) noexcept {
    bool found = false;
    for (; first_ != last_; ++first_) {
      const Transmitted& send = sends_[first_ % kSends_max];
      const auto bytes = static_cast<std::uint32_t>(send.bytes);
      if (static_cast<std::int32_t>(last_byte + 1 - bytes) < 0) break;
      news = send;
      found = true;
    }
    news.kernel_ns = kernel_ns;
    return found;
  }

 private:
  std::uint64_t bytes_ = 0;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
  std::array<Transmitted, kSends_max> sends_{};
};

}  // namespace zenwire::detail
