#pragma once

// JournalledCall: one call of the program into the engine, as an event of the journal; nothing
// when there is none, or when it is the engine that calls.

#include <optional>
#include <span>

#include "journal_user.hpp"

namespace zenwire::detail {

// On the stack of the call. Without a journal it costs a compare at its begin and its end.
class JournalledCall {
 public:
  JournalledCall(JournalUser* journal, JournalCall call, ConnectionId id, std::uint64_t number = 0,
                 Bytes payload = {}, std::span<const Bytes> secrets = {}) noexcept
      : id_(id) {
    if (journal != nullptr) [[unlikely]]
      begin(*journal, call, number, payload, secrets);
  }
  ~JournalledCall() {
    if (journal_ != nullptr) [[unlikely]]
      end();
  }
  JournalledCall(const JournalledCall&) = delete;
  JournalledCall& operator=(const JournalledCall&) = delete;

  // What the program is told.
  Errc came_to(Errc outcome) noexcept { return outcome_ = outcome; }
  // It sends secrets: of what goes out behind the `unsent_bytes` that wait, no check is kept.
  void keep_no_check(std::size_t unsent_bytes, std::size_t bytes) noexcept;

 private:
  [[gnu::noinline, gnu::cold]] void begin(JournalUser& journal, JournalCall call,
                                          std::uint64_t number, Bytes payload,
                                          std::span<const Bytes> secrets) noexcept {
    if (journal.begin_call(call, id_, number, 0, payload, secrets)) journal_ = &journal;
  }
  [[gnu::noinline, gnu::cold]] void end() noexcept;

  JournalUser* journal_ = nullptr;  // it is an event
  ConnectionId id_;
  Errc outcome_ = Errc::ok;
};

}  // namespace zenwire::detail
