#pragma once

// Deribit: the venue's dialect for a Session.
//
//     MethodTable methods;
//     auto limiter = RateLimiter::create(deribit_rates(), methods, reactor.now_ns()).value();
//     Deribit deribit(methods, {.client_id = id, .client_secret = secret});
//     SessionOptions options;
//     deribit.configure(options);
//     options.limiter = limiter.get();
//     auto session = Session::create(reactor, options, deribit.dialect()).value();
//     session->subscribe("book.BTC-PERPETUAL.raw", on_book);
//     session->start();
//
// Login is public/auth with client credentials; the access token is renewed with the refresh token
// before it expires. public/set_heartbeat has the venue ask for signs of life (test_request), which
// are answered at once, or it would close the connection and cancel orders. Book channels carry
// change_id and prev_change_id, which become sequence keys.

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <zenwire/adapters/deribit_error.hpp>
#include <zenwire/engine/dialect.hpp>
#include <zenwire/engine/session.hpp>

namespace zenwire::adapters {

struct DeribitOptions {
  std::string url = "wss://www.deribit.com/ws/api/v2";
  // Empty: no login, public channels only.
  std::string client_id{};
  std::string client_secret{};
  std::string scope{};  // "session:zenwire trade:read_write"; empty: the key's own
  // How often the venue sends a heartbeat, or asks for one; at least 10 s. 0: never.
  std::chrono::seconds heartbeat = std::chrono::seconds(10);
  // Larger messages are delivered without being looked into. Costs some five times as much memory.
  std::size_t parse_bytes_max = std::size_t{1} << 20;
};

struct DeribitCounters {
  std::uint64_t too_large = 0;   // messages above parse_bytes_max
  std::uint64_t unreadable = 0;  // answers that are not what the venue documents
};

// Thread: the reactor's. Lifetime: outlives the session that it speaks for; one session each, for
// it holds that session's refresh token. No allocation after construction.
class Deribit {
 public:
  // Interns its methods.
  Deribit(MethodTable& methods, DeribitOptions options);
  ~Deribit();

  // URL, heartbeat and request ids.
  void configure(SessionOptions& options) const;
  [[nodiscard]] Dialect dialect() noexcept;

  // To be called with refused requests: tells the session's limiter of too many requests. Returns
  // the venue's error; the row "unknown" for an end that is no refusal.
  static const DeribitError& note(Session& session, const RequestEnd& end) noexcept;

  [[nodiscard]] const DeribitCounters& counters() const noexcept;

  Deribit(const Deribit&) = delete;
  Deribit& operator=(const Deribit&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire::adapters
