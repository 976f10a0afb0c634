#pragma once

// Replay: a recording played again: which messages, in which order, and when.
//
// Sans-I/O: it says when the next message is due and leaves the waiting to the caller, who has a
// reactor, a server loop or a virtual clock. replay() below is for programs that just want to wait.
//
// Thread: one. The recording outlives it.

#include <cstdint>
#include <optional>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/recording.hpp>

namespace zenwire {

// A set of record types.
constexpr std::uint8_t type_bit(RecordType type) noexcept {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(type));
}
inline constexpr std::uint8_t kDataTypes =
    type_bit(RecordType::text) | type_bit(RecordType::binary);
inline constexpr std::uint8_t kAllTypes = (1u << kRecordTypes) - 1;

struct ReplayOptions {
  // 0: as fast as possible; 1: in the original timing; 100: a hundred times as fast.
  double speed = 0;
  std::uint8_t types = kDataTypes;                // of type_bit(); events have no direction
  std::optional<RecordDirection> direction = {};  // only this one
  std::optional<std::uint32_t> connection = {};   // only this one
  std::optional<std::uint32_t> session = {};      // only this one
  std::uint64_t from_ns = 0;                      // since 1970, this moment included
  std::uint64_t until_ns = ~std::uint64_t{0};     // this moment not included
};

struct ReplayStep {
  const RecordedMessage* message = nullptr;  // valid until the next advance()
  std::uint64_t due_ns = 0;                  // on the caller's clock
};

class Replay {
 public:
  // Errors: invalid_option for a speed that is negative or not finite; contradictory_options for a
  // time range that is empty.
  static Result<Replay> make(const Recording& recording, const ReplayOptions& options);

  // The message to play next and when it is due, or nothing at the end. The first message is due
  // at once: the first call's `now_ns` (of any clock, the same in all calls) is its time, and the
  // others keep their distance from it, divided by the speed. A message that was recorded before
  // the one ahead of it (clocks do step back) is due with that one; one that is late is due in the
  // past, so that a caller who was held up catches up. Asked again it says the same until
  // advance().
  std::optional<ReplayStep> next(std::uint64_t now_ns);

  // The message of next() was played.
  void advance() noexcept { pending_ = nullptr; }

  // To the beginning: the next call of next() sets the clock anew.
  void rewind() noexcept;

  // What was met in the recording so far.
  [[nodiscard]] const RecordingProblems& problems() const noexcept { return reader_.problems(); }

 private:
  Replay(const Recording& recording, const ReplayOptions& options)
      : reader_(recording), options_(options) {}

  [[nodiscard]] bool wanted(const RecordedMessage& message) const noexcept;
  void schedule(std::uint64_t recorded_ns, std::uint64_t now_ns) noexcept;

  RecordingReader reader_;
  ReplayOptions options_;
  const RecordedMessage* pending_ = nullptr;
  std::uint64_t due_ns_ = 0;
  std::uint64_t begin_ns_ = 0;           // the caller's clock at the first message
  std::uint64_t begin_recorded_ns_ = 0;  // when that was recorded
  bool begun_ = false;
};

// Plays it into the callback on this thread, waiting by clock_nanosleep() where the speed asks for
// it. The callback sets its second argument to false to stop. Returns the number of messages
// played. Errors: as make().
using ReplayCallback = Callback<const RecordedMessage&, bool&>;
Result<std::uint64_t> replay(const Recording& recording, const ReplayOptions& options,
                             ReplayCallback callback);

}  // namespace zenwire
