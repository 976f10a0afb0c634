#pragma once

// ClientRun: what a benchmark client measures, the same for each of them: time, CPU and context
// switches of the counted messages, and percentiles of what the client hands in.
//
// Thread: the client's. Cost per message: an increment and a compare; with a latency also
// Histogram::record(). Percentiles are within 1/1024, so that they cost the same for any count.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include <sys/resource.h>

#include <zenwire/engine/histogram.hpp>

#include "client_options.hpp"
#include "clock.hpp"

namespace zenwire::bench {

// What a run measured, as numbers alone: it may lie in memory that two processes share.
struct ClientFigures {
  std::uint64_t counted = 0;  // messages after the warm-up
  std::uint64_t errors = 0;
  std::uint64_t wall_ns = 0;
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
  std::uint64_t page_faults = 0;
  std::uint64_t allocations = 0;  // of the thread that counts, if they are counted
  std::uint64_t waits = 0;        // voluntary context switches
  std::uint64_t preempted = 0;    // involuntary ones
  std::uint64_t run_delay_ns = 0;
  bool complete = false;

  [[nodiscard]] double per_message(std::uint64_t total) const noexcept {
    return static_cast<double>(total) / static_cast<double>(counted == 0 ? 1 : counted);
  }
  [[nodiscard]] double cpu_ns_per_message() const noexcept {
    return per_message(user_ns + system_ns);
  }
};

class ClientRun {
 public:
  ClientRun(std::string client, const ClientOptions& options);

  // Every connection is open and nothing has been asked of the server yet.
  void begin() noexcept;

  // A message came. False when it was the last.
  bool received(bool right) noexcept {
    errors_ += right ? 0 : 1;
    if (++received_ != next_mark_) [[likely]]
      return true;
    return mark();
  }
  // The same, with its latency.
  bool received(bool right, std::uint64_t latency_ns) noexcept {
    if (counting_) latencies_->record(latency_ns);
    return received(right);
  }
  // The same, with what it is when counted from when the message was due: held up, a loop sends
  // less while it is slow, and the latency alone would leave that out ("coordinated omission").
  bool received(bool right, std::uint64_t latency_ns, std::uint64_t corrected_ns) noexcept {
    if (counting_) corrected_->record(corrected_ns);
    return received(right, latency_ns);
  }
  // The same, of a message of somebody else's stream.
  bool arrived(bool right, std::uint64_t now_ns, std::uint64_t sent_ns,
               std::uint64_t due_ns) noexcept {
    return received(right, now_ns - std::min(now_ns, sent_ns), now_ns - std::min(now_ns, due_ns));
  }
  [[nodiscard]] bool complete() const noexcept { return received_ >= options_.total(); }
  [[nodiscard]] std::uint64_t messages() const noexcept { return received_; }

  [[nodiscard]] ClientFigures figures() const noexcept;
  [[nodiscard]] const Histogram& latencies() const noexcept { return *latencies_; }
  [[nodiscard]] const Histogram& corrected() const noexcept { return *corrected_; }

  // Prints the line and gives the exit code: 0 if all came and were right. Call it while the
  // connections are open: their sockets are looked at.
  [[nodiscard]] int finish() const;

 private:
  struct Marks {
    std::uint64_t wall_ns = 0;
    std::uint64_t run_delay_ns = 0;
    // Before and after the look itself, which opens a file: what lies between two looks is from the
    // end of the one to the beginning of the other.
    std::uint64_t allocations_before = 0;
    std::uint64_t allocations_after = 0;
    rusage usage_before{};
    rusage usage_after{};
  };

  [[gnu::noinline, gnu::cold]] bool mark() noexcept;
  void look(Marks& marks) noexcept;
  [[nodiscard]] std::uint64_t allocations() const noexcept {
    return options_.allocations == nullptr ? 0 : options_.allocations();
  }
  [[nodiscard]] std::string percentiles() const;

  std::uint64_t received_ = 0;
  std::uint64_t next_mark_ = 0;
  std::uint64_t errors_ = 0;
  bool counting_ = false;
  std::unique_ptr<Histogram> latencies_;
  std::unique_ptr<Histogram> corrected_;

  std::string client_;
  ClientOptions options_;
  Marks began_;
  Marks ended_;
  std::uint64_t cores_seen_ = 0;  // a bit each, of the first 64
};

}  // namespace zenwire::bench
