#include <algorithm>
#include <cerrno>
#include <cmath>
#include <limits>

#include <time.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/engine/replay.hpp>

#include "timestamp.hpp"

namespace zenwire {

namespace {

// Waits of more than this (ten thousand years at a speed near 0) are cut, before a double overflows
// an integer.
constexpr double kDistance_ns_max = 9e18;

timespec timespec_of(std::uint64_t ns) noexcept {
  return {static_cast<time_t>(ns / detail::kNanos_per_second),
          static_cast<long>(ns % detail::kNanos_per_second)};
}

std::uint64_t monotonic_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * detail::kNanos_per_second +
         static_cast<std::uint64_t>(now.tv_nsec);
}

void wait_until(std::uint64_t ns) noexcept {
  const timespec until = timespec_of(ns);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

}  // namespace

Result<Replay> Replay::make(const Recording& recording, const ReplayOptions& options) {
  if (!std::isfinite(options.speed) || options.speed < 0) {
    return fail(Errc::invalid_option, "replay speed: not a number from 0 on");
  }
  if (options.from_ns >= options.until_ns) {
    return fail(Errc::contradictory_options, "replay time range: it ends before it begins");
  }
  return Replay(recording, options);
}

bool Replay::wanted(const RecordedMessage& message) const noexcept {
  if ((options_.types & type_bit(message.type)) == 0) return false;
  const bool event = message.type == RecordType::event;
  if (options_.direction && !event && message.direction != *options_.direction) return false;
  if (options_.connection && message.owner.connection != *options_.connection) return false;
  if (options_.session && message.owner.session != *options_.session) return false;
  return message.ns >= options_.from_ns && message.ns < options_.until_ns;
}

void Replay::schedule(std::uint64_t recorded_ns, std::uint64_t now_ns) noexcept {
  if (!begun_) {
    begun_ = true;
    begin_ns_ = due_ns_ = now_ns;
    begin_recorded_ns_ = recorded_ns;
  }
  if (options_.speed == 0) {
    due_ns_ = begin_ns_;
    return;
  }
  if (recorded_ns <= begin_recorded_ns_) return;
  std::uint64_t distance_ns = recorded_ns - begin_recorded_ns_;
  if (options_.speed != 1) {  // at the original speed to the nanosecond
    const double scaled = static_cast<double>(distance_ns) / options_.speed;
    distance_ns = static_cast<std::uint64_t>(std::min(scaled, kDistance_ns_max));
  }
  const std::uint64_t latest = std::numeric_limits<std::uint64_t>::max() - begin_ns_;
  due_ns_ = std::max(due_ns_, begin_ns_ + std::min(distance_ns, latest));
}

std::optional<ReplayStep> Replay::next(std::uint64_t now_ns) {
  while (pending_ == nullptr) {
    const RecordedMessage* const message = reader_.next();
    if (message == nullptr) return std::nullopt;
    if (!wanted(*message)) continue;
    pending_ = message;
    schedule(message->ns, now_ns);
  }
  return ReplayStep{pending_, due_ns_};
}

void Replay::rewind() noexcept {
  reader_.rewind();
  pending_ = nullptr;
  begun_ = false;
}

Result<std::uint64_t> replay(const Recording& recording, const ReplayOptions& options,
                             ReplayCallback callback) {
  ZW_ASSERT(callback);
  auto made = Replay::make(recording, options);
  if (!made) return tl::unexpected(made.error());
  std::uint64_t played = 0;
  bool go_on = true;
  while (go_on) {
    const auto step = made->next(options.speed == 0 ? 0 : monotonic_ns());
    if (!step) break;
    if (options.speed != 0) wait_until(step->due_ns);
    callback(*step->message, go_on);
    made->advance();
    ++played;
  }
  return played;
}

}  // namespace zenwire
