#pragma once

// Setup: the set-up thread. Resolves, connects, accepts, shakes hands and upgrades, all at once for
// many connections, over an Io of its own; hands what is open to the reactor, and frees what the
// reactor hands back.
//
// Thread: its own, started by start(); or none, and then whoever owns it calls step() (a simulation
// does). post() may be called from any thread.
//
// An Attempt belongs to the setup from post() until it is handed over, then to the reactor, until
// that posts it back.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <zenwire/base/callback.hpp>
#include <zenwire/codec/url.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/mailbox.hpp>
#include <zenwire/engine/masking_keys.hpp>
#include <zenwire/engine/opening.hpp>
#include <zenwire/engine/options.hpp>
#include <zenwire/engine/timer_queue.hpp>
#include <zenwire/engine/tls.hpp>

#include "dial.hpp"
#include "established.hpp"

namespace zenwire::detail {

class Setup;

// Sockets that are listened on, with what their connections have in common.
struct Listener {
  Listener(Setup& owner, Socket listening, const ListenOptions& listen_options);

  Setup& setup;
  Socket socket;
  ListenOptions options;
  std::uint32_t number = 0;  // of the reactor's, in their order
  std::unique_ptr<TlsContext> tls;
  Completion accept;
};

// One connection being set up, in either role; then the keeper of what was made for it.
class Attempt {
 public:
  // To dial. `id` is the reactor's slot, and `dial` lies in it.
  Attempt(Setup& setup, Dial& dial, ConnectionId id, const ConnectOptions& options, Url url);
  Attempt(Setup& setup, const DialRequest& request);
  // Accepted.
  Attempt(Setup& setup, Listener& listener, Socket socket);
  // To be filled in by a journal.
  Attempt(Setup& setup, Role its_role, ConnectionId id);
  ~Attempt();
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  Attempt* mailbox_next = nullptr;

  // What came of it; the reactor's to read once it was handed over.
  bool succeeded = false;
  bool done = false;  // the reactor has finished with it: free it
  ConnectionId id{};
  Role role;
  Callback<Connection&> on_accepted{};
  std::uint32_t listener_number = 0;
  Established established;
  OpenFailure failure;

 private:
  friend class Setup;

  Attempt(Setup& setup, Dial* dial, ConnectionId id, const ConnectOptions& options, Url url);
  void start() noexcept;
  void tell(OpenStage stage) noexcept;
  Result<void> prepare() noexcept;
  void resolve() noexcept;
  void on_resolved(Outcome outcome) noexcept;
  void connect_next() noexcept;
  void on_connected(Outcome outcome) noexcept;
  void shake_hands() noexcept;
  void pump() noexcept;
  bool send_output() noexcept;
  bool take_input() noexcept;
  void succeed() noexcept;
  void fail(const Error& error) noexcept;
  void fail_when_idle() noexcept;
  void conclude() noexcept;
  [[nodiscard]] bool busy() const noexcept;
  void arm(std::chrono::nanoseconds stage_limit, Errc code) noexcept;
  void on_deadline(Timer&) noexcept;
  [[nodiscard]] Error deadline_error() const;
  [[nodiscard]] std::string where() const;

  Setup& setup_;
  Dial* dial_;  // null when accepted
  ConnectOptions options_;
  Url url_;
  Listener* listener_ = nullptr;
  const TlsContext* tls_ = nullptr;
  HeaderList headers_;
  std::unique_ptr<Opening> opening_;
  ResolveRequest question_;
  std::uint32_t first_address_ = 0;
  std::size_t next_address_ = 0;
  Address local_;
  Address remote_;
  Error last_error_;
  bool failing_ = false;

  Instant_ns started_ns_ = 0;
  Instant_ns stage_started_ns_ = 0;
  Instant_ns total_deadline_ns_ = 0;
  Errc deadline_code_ = Errc::open_timeout;
  Timer deadline_;

  Completion resolved_;
  Completion connected_;
  Completion readable_;
  Completion writable_;
};

class Setup {
 public:
  struct Hooks {
    Callback<Attempt&> hand_over;    // to the reactor; called on the set-up thread
    Callback<Dial&> tell;            // the same for a stage
    Callback<std::string_view> log;  // warnings, for a person
    Callback<> idle;                 // refills masking keys
  };

  Setup(std::unique_ptr<Io> io, std::uint32_t attempts_max, Hooks hooks);
  ~Setup();
  Setup(const Setup&) = delete;
  Setup& operator=(const Setup&) = delete;

  void start();
  // Any thread: gives up what is under way, which is handed over as failed, and takes no more.
  void request_stop() noexcept;
  // After that: waits for the thread's end. Then only post()s of finished attempts are left.
  void stop() noexcept;
  // One round. Waits if `may_wait`.
  void step(bool may_wait) noexcept;
  [[nodiscard]] bool has_thread() const noexcept { return thread_.joinable(); }

  // Any thread: starts the attempt, or frees it if it is done.
  void post(Attempt& attempt) noexcept;
  // Any thread: makes an attempt of it.
  void post(DialRequest& request) noexcept;
  // Any thread: ends the attempt as aborted, unless it has ended.
  void give_up(Dial& dial) noexcept;
  // Before start(), or on the set-up thread.
  Result<void> listen(std::unique_ptr<Listener> listener) noexcept;
  // Any thread; takes the listener over.
  void post_listener(std::unique_ptr<Listener> listener) noexcept;

  // How often it looks after the masking keys while connections are open.
  void keep_keys_fresh(bool needed) noexcept {
    keys_needed_.store(needed, std::memory_order_relaxed);
  }

 private:
  friend class Attempt;
  friend struct Listener;

  void run() noexcept;
  [[nodiscard]] bool is_over() const noexcept;
  void take_mail() noexcept;
  void begin(Attempt& attempt) noexcept;
  void give_up_aborted() noexcept;
  void give_up_all() noexcept;
  void close_listeners() noexcept;
  void on_accept(Listener& listener, Outcome outcome) noexcept;
  void finished(Attempt& attempt) noexcept;
  Result<const TlsContext*> context_for(const TlsOptions& options) noexcept;

  struct CachedContext {
    TlsOptions options;
    std::unique_ptr<TlsContext> context;
  };
  struct Mail {
    Mail* mailbox_next = nullptr;
    std::unique_ptr<Listener> listener;
  };

  std::unique_ptr<Io> io_;
  Hooks hooks_;
  TimerQueue timers_;
  std::uint32_t attempts_max_;
  std::vector<Attempt*> attempts_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<CachedContext> contexts_;
  Mailbox<Attempt> mail_;
  Mailbox<Mail> listener_mail_;
  Mailbox<DialRequest> dials_;
  std::atomic<bool> gave_some_up_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> keys_needed_{false};
  bool gave_up_ = false;
  std::thread thread_;
};

}  // namespace zenwire::detail
