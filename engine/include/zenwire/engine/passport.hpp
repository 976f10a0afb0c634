#pragma once

// The passport of a message: when it was where, stamp by stamp, from the kernel to the callback;
// and of what was sent, when it left. Asked for with SocketOptions::kernel_stamps.
//
// The kernel stamps segments, not messages. A receive gives the stamp of the last segment that it
// read, and that is what every message completed by it carries: of a message alone its own; of a
// burst the stamp of its last segment, so that what came first seems to have waited less than it
// did. A TLS record is complete with its last byte, and so is its message.
//
// Cost: a recvmsg() where there would be a recv(); for what is sent one system call more, which
// asks for its stamp, and where the ring tells what is readable a wake-up. Until a stamp has come,
// which a device may keep back, every look at the connection asks again. Without the option, a
// branch a take and a send. In a simulation and beside a journal there are no stamps.

#include <cstdint>

namespace zenwire {

// In on_message. Where there is TLS, of the last record that the message came in.
struct Passport {
  std::uint64_t kernel_ns = 0;       // since 1970: the kernel had it (SO_TIMESTAMPING); 0: no stamp
  std::uint64_t received_ns = 0;     // since 1970: its bytes were taken
  std::uint64_t received_ticks = 0;  // the same moment by the time-stamp counter
  std::uint64_t decrypted_ticks = 0;  // its record was opened; without TLS received_ticks
  std::uint64_t framed_ticks = 0;     // it was found and checked, and its first handler called
};

// All that was sent has left up to `bytes` of the wire, counted as ConnectionCounters::bytes_sent.
// A message is in it when Connection::wire_end_bytes() was no more right after its send.
struct Transmitted {
  std::uint64_t bytes = 0;
  std::uint64_t sent_ns = 0;    // since 1970: they were about to be given to the kernel
  std::uint64_t kernel_ns = 0;  // since 1970: the last of their bytes went to the network device
};

}  // namespace zenwire
