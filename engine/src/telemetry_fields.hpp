#pragma once

// The names that the engine's counters have in a telemetry page: one for each number of the
// structures, in their order.

#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/request_table.hpp>
#include <zenwire/engine/session.hpp>
#include <zenwire/engine/telemetry_page.hpp>

#include "session_telemetry.hpp"

namespace zenwire::detail {

inline constexpr auto kGauge = telemetry::FieldKind::gauge;
inline constexpr auto kNanoseconds = telemetry::FieldKind::nanoseconds;

inline constexpr TelemetryField kReactorFields[] = {
    {"turns"},
    {"connect_attempts"},
    {"connections_opened"},
    {"connections_failed"},
    {"connections_closed"},
    {"connections_lost"},
    {"last_close_code", kGauge},
    {"last_error_code", kGauge},
    {"messages_received"},
    {"messages_sent"},
    {"bytes_received"},
    {"bytes_sent"},
    {"outbox_records"},
    {"outbox_refused"},
    {"accepts_refused"},
    {"peeks_switched_off"},
};
static_assert(sizeof(ReactorCounters) == std::size(kReactorFields) * sizeof(std::uint64_t));

inline constexpr TelemetryField kConnectionFields[] = {
    {"messages_received"},
    {"payload_bytes_received"},
    {"bytes_received"},
    {"messages_sent"},
    {"payload_bytes_sent"},
    {"bytes_sent"},
    {"pings_received"},
    {"pongs_received"},
    {"pauses"},
    {"waits_for_large_buffer"},
    {"sends_refused"},
    {"takes"},
    {"peeks"},
};
static_assert(sizeof(ConnectionCounters) == std::size(kConnectionFields) * sizeof(std::uint64_t));

inline constexpr TelemetryField kRequestFields[] = {
    {"begun"},        {"answered"},     {"refused"},         {"timed_out"},
    {"cancelled"},    {"not_sent"},     {"outcome_unknown"}, {"duplicates_refused"},
    {"full_refused"}, {"late_answers"}, {"unmatched_ids"},
};
static_assert(sizeof(RequestCounters) == std::size(kRequestFields) * sizeof(std::uint64_t));

inline constexpr TelemetryField kSessionFields[] = {
    {"state", kGauge},
    {"attempts"},
    {"opens"},
    {"drops"},
    {"restores"},
    {"rotations"},
    {"rotations_failed"},
    {"missed_limits"},
    {"idle_limits"},
    {"beats_answered"},
    {"messages"},
    {"copies"},
    {"ungated"},
    {"late_answers_untold"},
    {"drafts_refused"},
};
static_assert(sizeof(SessionCounters) == std::size(kSessionFields) * sizeof(std::uint64_t));

inline constexpr TelemetryField kLatencyFields[] = {
    {"resolve", kNanoseconds}, {"connect", kNanoseconds},    {"tls", kNanoseconds},
    {"upgrade", kNanoseconds}, {"login", kNanoseconds},      {"restore", kNanoseconds},
    {"outage", kNanoseconds},  {"round_trip", kNanoseconds},
};
static_assert(sizeof(SessionLatency) == std::size(kLatencyFields) * sizeof(MethodHistogram));

inline constexpr TelemetryField kBeatFields[] = {
    {"sent"},
    {"answered"},
    {"missed"},
    {"withheld"},
    {"missed_in_row", kGauge},
    {"round_trip_ns", kGauge},
    {"round_trip_ns_max", kGauge},
};
static_assert(sizeof(BeatNumbers) == std::size(kBeatFields) * sizeof(std::uint64_t));

inline constexpr TelemetryField kBucketFields[] = {
    {"credits", kGauge}, {"credits_max", kGauge}, {"refill_permille", kGauge}};
static_assert(sizeof(BucketNumbers) == std::size(kBucketFields) * sizeof(std::uint64_t));

inline constexpr TelemetryField kRateFields[] = {{"granted"}, {"refused"}, {"throttled"}};
static_assert(sizeof(RateLimiter::Counters) == std::size(kRateFields) * sizeof(std::uint64_t));

}  // namespace zenwire::detail
