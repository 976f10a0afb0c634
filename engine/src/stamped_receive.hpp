#pragma once

// StampedReceive: a recvmsg() and the time stamps that come beside its bytes (the kernel's
// Documentation/networking/timestamping.rst).
//
// Thread: any, one at a time. Lifetime: a call's. The stamps are the kernel's software stamps, of
// the clock that wall_ns() reads; those of network cards come from clocks of their own.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <zenwire/base/bytes.hpp>

#include "clock.hpp"

namespace zenwire::detail {

class StampedReceive {
 public:
  explicit StampedReceive(MutableBytes into) noexcept : bytes_{into.data(), into.size()} {
    header_.msg_iov = &bytes_;
    header_.msg_iovlen = 1;
    header_.msg_control = control_.data();
    header_.msg_controllen = control_.size();
  }
  StampedReceive(const StampedReceive&) = delete;
  StampedReceive& operator=(const StampedReceive&) = delete;

  [[nodiscard]] msghdr* header() noexcept { return &header_; }

  // Since 1970; 0: no stamp.
  [[nodiscard]] std::uint64_t kernel_ns() noexcept {
    scm_timestamping stamps{};
    if (!find(SOL_SOCKET, SCM_TIMESTAMPING, stamps)) return 0;
    return nanoseconds(stamps.ts[0]);
  }
  // Of the error queue: the number of the byte that the stamp is of.
  [[nodiscard]] std::uint32_t last_byte() noexcept {
    sock_extended_err error{};
    if (!find(SOL_IP, IP_RECVERR, error)) find(SOL_IPV6, IPV6_RECVERR, error);
    return error.ee_data;
  }

 private:
  template <typename Value>
  bool find(int level, int type, Value& value) noexcept {
    for (cmsghdr* at = CMSG_FIRSTHDR(&header_); at != nullptr; at = CMSG_NXTHDR(&header_, at)) {
      if (at->cmsg_level != level || at->cmsg_type != type) continue;
      std::memcpy(&value, CMSG_DATA(at), sizeof value);
      return true;
    }
    return false;
  }

  static constexpr std::size_t kControl_bytes = 256;

  iovec bytes_;
  msghdr header_{};
  alignas(cmsghdr) std::array<std::byte, kControl_bytes> control_;
};

}  // namespace zenwire::detail
