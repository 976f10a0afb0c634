#pragma once

// Established: all that the set-up thread made for a connection that opened. It allocates; so it is
// made, and freed, on that thread, and the reactor only borrows it for the connection's life.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <zenwire/codec/deflate.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/opening.hpp>
#include <zenwire/engine/options.hpp>
#include <zenwire/engine/tls.hpp>

#include "transmit_log.hpp"

namespace zenwire::detail {

struct Established {
  Socket socket = kNoSocket;
  Limits limits;
  std::string label;  // for telemetry: where to, without secrets
  std::uint64_t close_timeout_ns = 0;
  Opened opened;
  std::optional<TlsStream> tls;
  std::vector<std::byte> leftover;  // what came behind the header block, decrypted
  int deflate_level = 1;
  std::unique_ptr<std::byte[]> deflate_memory;
  Deflater deflater;
  Inflater inflater;
  std::unique_ptr<TransmitLog> transmits;  // where the kernel's stamps are asked for
};

// Makes both directions' streams of what was agreed; nothing if nothing was. Error:
// memory_exhausted.
Result<void> open_deflate(Established& established, Role role);

}  // namespace zenwire::detail
