#pragma once

// Endpoint: where to connect and how, checked once and connected to as often as one likes.
//
// Reactor::connect(ConnectOptions) parses and copies on the calling thread, which allocates; that
// is right for a start and wrong for a reconnect in the middle of a trading day. An Endpoint does
// that work ahead: connecting to one posts a node that the reactor already has, and the set-up
// thread makes all the rest.
//
// Threads: made by any; read by the set-up thread while an attempt runs, so it does not change.
// Lifetime: outlives every attempt to connect to it, that is until on_open or on_failed has run.

#include <string>
#include <utility>

#include <zenwire/base/error.hpp>
#include <zenwire/codec/url.hpp>
#include <zenwire/engine/options.hpp>

namespace zenwire {

class Endpoint {
 public:
  // Errors: those of ConnectOptions::validate(); memory_exhausted.
  static Result<Endpoint> make(ConnectOptions options) noexcept;

  [[nodiscard]] const ConnectOptions& options() const noexcept { return options_; }
  [[nodiscard]] const Url& url() const noexcept { return url_; }
  // url().printable(), so that a journal can note it without an allocation.
  [[nodiscard]] const std::string& printable() const noexcept { return printable_; }

 private:
  Endpoint(ConnectOptions options, Url url)
      : options_(std::move(options)), url_(std::move(url)), printable_(url_.printable()) {}

  ConnectOptions options_;
  Url url_;
  std::string printable_;
};

}  // namespace zenwire
