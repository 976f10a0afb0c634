#pragma once

// The journal of a reactor, and its replay: time travel.
//
// With ReactorOptions::journal a reactor writes down all that comes into it from outside: received
// plaintext, completions in their order, times, masking keys, what the set-up thread handed over,
// records of outboxes, and the calls that the program made. The same engine code run over that file
// makes the same callbacks and sends, in the same order; where it does not, the first divergence is
// told, which is the bug, or the byte that was changed.
//
// The cut lies above TLS: there are no keys and no handshake secrets in the file, of ciphertext
// only the record headers. URLs are without their query, header values other than the protocol's
// are overwritten, and so are the values of Connection::send_secret(). What was received is there
// in the clear, exactly: treat the file as the session itself.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/options.hpp>

namespace zenwire {

class Reactor;

// Where a replay did something else than what was recorded.
struct JournalDivergence {
  std::uint64_t event = 0;  // number of the event, from 0
  std::uint64_t byte = 0;   // of the file, where the event begins
  std::string expected;     // what the journal holds
  std::string got;          // what the engine did
};

// What a replay came to.
struct JournalReport {
  std::uint64_t events = 0;
  std::uint64_t callbacks = 0;
  std::uint64_t sends = 0;          // calls of send() to the kernel
  std::uint64_t callback_hash = 0;  // over every callback with its arguments, and their order
  bool torn = false;                // its last event is cut short, and was left out
  std::optional<JournalDivergence> divergence;
};

// Thread: the one that opens it. Lifetime: it outlives the reactor that it made. Two ways:
// - run() performs the recorded calls of the program itself and needs nothing else.
// - reactor() for the program's own code: make the same calls in the same order, with the same
//   handlers, and poll() until ended(); calls that differ are a divergence. What other threads put
//   into outboxes and posted comes from the journal.
class JournalReplay {
 public:
  // Errors: recording_not_found, recording_unwritable, journal_malformed.
  static Result<JournalReplay> open(const std::string& path);
  JournalReplay(JournalReplay&&) noexcept;
  JournalReplay& operator=(JournalReplay&&) noexcept;
  ~JournalReplay();

  // With the options of the one that was recorded, but for cores and memory. Once.
  Result<std::unique_ptr<Reactor>> reactor();
  // To its end or its first divergence. Errors: those of Reactor::create(); journal_malformed.
  Result<JournalReport> run();

  // Nothing is left to replay, or it diverged.
  [[nodiscard]] bool ended() const noexcept;
  // While the reactor that it gave lives: the callbacks are counted there.
  [[nodiscard]] JournalReport report() const;

 private:
  struct Impl;
  explicit JournalReplay(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire
