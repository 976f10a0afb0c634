#pragma once

// Dial: what crosses between the reactor and the set-up thread while a connection is being opened,
// beside its Attempt. It lies in the reactor's slot, so that nothing is allocated to connect again,
// to tell of a stage, or to give up.
//
// Who owns what. `request` belongs to the reactor until it is posted and to the set-up thread until
// the attempt is handed over: the reactor does not use the slot again before that. `news` belongs
// to whoever found or left `told` false: the set-up thread stores the stage, then sets `told`; if
// it was false the node is the set-up thread's to post. The reactor takes the node, clears `told`,
// then reads the stage. Orders: both exchanges of `told` are acquire and release, so either the
// reactor's read sees the newest stage, or the set-up thread found `told` false again and the node
// comes once more. So stages may be passed over but the last one never is.
// `given_up` goes the other way: set by the reactor, seen by the set-up thread when it is woken.

#include <atomic>
#include <cstdint>

#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/endpoint.hpp>

namespace zenwire::detail {

struct Dial;

struct DialRequest {
  DialRequest* mailbox_next = nullptr;
  Dial* dial = nullptr;
  const Endpoint* endpoint = nullptr;
  ConnectionId id{};
  std::uint32_t first_address = 0;  // of those that the name resolves to, modulo their number
};

struct StageNews {
  StageNews* mailbox_next = nullptr;
  Dial* dial = nullptr;
};

struct Dial {
  explicit Dial(std::uint32_t slot_index) noexcept : slot(slot_index) {
    request.dial = news.dial = this;
  }
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

  std::uint32_t slot;
  DialRequest request;
  StageNews news;
  std::atomic<OpenStage> stage{OpenStage::waiting};
  std::atomic<bool> told{false};
  std::atomic<bool> given_up{false};
};

}  // namespace zenwire::detail
