#pragma once

// Dialect: what a venue's messages mean and how ours to it are written, as functions that a session
// calls. All are optional: without any, a session only connects, keeps alive and delivers.
//
// None of them sends or keeps a view. They run on the reactor's thread and allocate nothing.

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/draft.hpp>
#include <zenwire/engine/method_table.hpp>
#include <zenwire/engine/request_table.hpp>
#include <zenwire/engine/sequence_gate.hpp>

namespace zenwire {

enum class MessageRole : std::uint8_t {
  undecided,          // data, unless it answers a request by its id
  data,               // for the handlers of its channel and of the session
  heartbeat,          // the server's beat, or its text answer to ours
  heartbeat_request,  // the server wants write_beat_answer at once
  login_accepted,     // for venues whose login is not answered by an id
  login_refused,
  subscription_accepted,  // of `channel`: the same for subscriptions, and for leaving
  subscription_rejected,
};

// What classify() finds in one look at a message.
struct MessageFacts {
  MessageRole role = MessageRole::undecided;
  std::string_view channel{};  // a view into the message; empty: of no channel
  SequenceKey key{};           // unsequenced: it carries none
};

// What the server said to a subscription or its end, channel by channel. What is neither accepted
// nor rejected counts as rejected.
class SubscriptionAnswer {
 public:
  using Verdict = Callback<std::string_view, bool>;  // an empty name is all that were asked for
  explicit SubscriptionAnswer(Verdict verdict) noexcept : verdict_(verdict) {}
  void accept(std::string_view channel) noexcept { verdict_(channel, true); }
  void reject(std::string_view channel) noexcept { verdict_(channel, false); }
  void accept_all() noexcept { verdict_({}, true); }
  // The server is busy: all of it is asked again in a second.
  void retry_later() noexcept { later_ = true; }
  [[nodiscard]] bool is_later() const noexcept { return later_; }

 private:
  Verdict verdict_;
  bool later_ = false;
};

struct LoginAnswer {
  // login_refused ends the session; another code that may pass (rate_limited) has it try again.
  Errc outcome = Errc::ok;
  // After this, write_renewal is called and sent; 0: never.
  std::chrono::nanoseconds renew_after{0};
};

struct Dialect {
  // The hot one: every text message that is received, once.
  Callback<const Message&, MessageFacts&> classify{};

  // The login. Unset: there is none. read_login looks at an answer that came by id.
  Callback<Draft&> write_login{};
  Callback<Draft&> write_renewal{};
  Callback<const RequestEnd&, LoginAnswer&> read_login{};
  // Sent once after the login, before anything is subscribed (Deribit's public/set_heartbeat). If
  // it is correlated, its refusal counts as the login's.
  Callback<Draft&> write_preparation{};

  Callback<Draft&, std::span<const std::string_view>> write_subscribe{};
  Callback<Draft&, std::span<const std::string_view>> write_unsubscribe{};
  // Looks at an answer that came by id. Unset: any result accepts all, an error rejects all.
  Callback<const RequestEnd&, SubscriptionAnswer&> read_subscription{};
  // Where subscriptions carry no id: whether the server tells of each (subscription_accepted).
  // Otherwise they are active when they are sent, for there is nothing to wait for.
  bool tells_subscriptions = false;

  Callback<Draft&> write_beat{};         // for HeartbeatKind::text
  Callback<Draft&> write_beat_answer{};  // for MessageRole::heartbeat_request

  // For the rate limiter and the histograms.
  MethodId login_method = MethodId::other;
  MethodId preparation_method = MethodId::other;
  MethodId subscribe_method = MethodId::other;
  MethodId unsubscribe_method = MethodId::other;
  MethodId beat_method = MethodId::other;
};

}  // namespace zenwire
