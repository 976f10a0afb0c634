#pragma once

// Conversation: what a client says and hears, mode by mode, for a client whose library calls it for
// every message. The library's file gives each message to received() and sends what that returns.
//
// Thread: the client's.

#include <string>
#include <string_view>
#include <vector>

#include "client_options.hpp"
#include "client_run.hpp"
#include "message.hpp"

namespace zenwire::bench {

class Conversation {
 public:
  Conversation(std::string client, const ClientOptions& options)
      : options_(options), run_(std::move(client), options) {
    const std::size_t block = options.mode == Mode::sink ? options.batch : 0;
    for (std::uint32_t i = 0; i < options.connections; ++i) {
      expected_.emplace_back(options.message_bytes, block);
    }
    text_ = make_message(options.message_bytes, 0);
  }

  // Every connection is open. What each of them is to send at once.
  [[nodiscard]] std::string_view begin() noexcept {
    run_.begin();
    return options_.mode == Mode::echo ? next_echo() : "go";
  }

  // A message came. What is to be sent for it, at once: nothing, or an echo's next.
  [[nodiscard]] std::string_view received(std::size_t connection, std::string_view text) noexcept {
    if (run_.complete()) return {};
    if (options_.mode == Mode::sink) {
      run_.received(expected_[connection].take(text));
      return {};
    }
    const std::uint64_t now_ns = clock_ns();
    if (options_.mode == Mode::oneway) {
      std::uint64_t sent_ns = 0;
      const bool right = expected_[connection].take_timed(text, sent_ns);
      run_.received(right, now_ns - sent_ns);
      return {};
    }
    if (!run_.received(text == text_, now_ns - sent_ns_)) return {};
    increment_digits(text_.data() + kNumber_offset, kNumber_digits);
    return next_echo();
  }

  [[nodiscard]] bool complete() const noexcept { return run_.complete(); }
  // As ClientRun::finish().
  [[nodiscard]] int finish() const { return run_.finish(); }

 private:
  [[nodiscard]] std::string_view next_echo() noexcept {
    sent_ns_ = clock_ns();
    return text_;
  }

  ClientOptions options_;
  ClientRun run_;
  std::vector<Expected> expected_;
  std::string text_;
  std::uint64_t sent_ns_ = 0;
};

}  // namespace zenwire::bench
