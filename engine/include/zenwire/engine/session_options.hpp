#pragma once

// What a session may be told: a plain aggregate with defaults, checked before it is used.

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/heartbeat.hpp>
#include <zenwire/engine/options.hpp>
#include <zenwire/engine/rate_limiter.hpp>
#include <zenwire/engine/reconnect_policy.hpp>
#include <zenwire/engine/request_table.hpp>
#include <zenwire/engine/sequence_gate.hpp>

namespace zenwire {

// Replacing a connection by a new one without a gap.
struct RotationOptions {
  // A connection of this age is replaced: for venues that cut at a fixed age, somewhat before it. 0
  // never.
  std::chrono::nanoseconds age_max{0};
  // The new connection is waited for until data has come on it, or for so long after its
  // subscriptions are acknowledged: quiet channels have nothing to say.
  std::chrono::nanoseconds flow_timeout = std::chrono::seconds(2);
  // The old one is kept for answers to requests at most this long.
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(30);
};

struct SessionOptions {
  // The user's name for it, in records and queue headers.
  std::uint32_t id = 0;
  ConnectOptions connect{};
  ReconnectOptions reconnect{};
  HeartbeatOptions heartbeat{};
  RotationOptions rotation{};

  std::chrono::nanoseconds login_timeout = std::chrono::seconds(5);
  // From a chunk of subscriptions to its acknowledgement.
  std::chrono::nanoseconds acknowledge_timeout = std::chrono::seconds(10);
  bool restore_subscriptions = true;           // false: a new connection starts with none
  std::uint32_t chunk_max = 50;                // channels asked for in one message
  std::chrono::nanoseconds chunk_interval{0};  // between two such messages, beside the rate limiter
  std::uint32_t channels_max = 256;
  std::uint32_t channel_bytes_max = 64;
  std::size_t draft_bytes_max = 8192;  // of a message that the dialect writes

  RequestTableOptions requests{};

  // Streams (channels whose messages carry a sequence key) that pass through a gate of their own: 0
  // switches gates off, and keys are not looked at. See SequenceGate for the memory of each.
  std::uint32_t streams_max = 0;
  SequenceGateOptions gate{};
  // Whether a stream's numbers go on across connections, so that what was lost between two is a
  // gap. Otherwise each reconnect (not a rotation) starts them anew.
  bool sequences_survive = true;

  // Borrowed; both outlive the session. Null: no limit, no recording.
  RateLimiter* limiter = nullptr;
  Recorder* recorder = nullptr;

  // Errors: invalid_option, contradictory_options, those of ConnectOptions; the detail names the
  // option.
  [[nodiscard]] Result<void> validate() const;
};

}  // namespace zenwire
