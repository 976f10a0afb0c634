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
//
// Everything here allocates: an attempt that there is no memory for fails with memory_exhausted,
// like one that the network refuses, and what was made for it is freed.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/want_of_memory.hpp>
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
  Listener(Setup& owner, const ListenOptions& listen_options);

  Listener* mailbox_next = nullptr;  // then the next of the setup's
  Setup& setup;
  Socket socket = kNoSocket;  // whoever listens on it sets it
  ListenOptions options;
  std::uint32_t number = 0;  // of the reactor's, in their order
  std::unique_ptr<TlsContext> tls;
  Completion accept;
};

// One connection being set up, in either role; then the keeper of what was made for it.
class Attempt {
 public:
  // To dial, once it is assigned to the reactor's slot `id`, in which `dial` lies.
  Attempt(Setup& setup, const ConnectOptions& options, Url url);
  void assign(Dial& dial, ConnectionId id) noexcept;
  Attempt(Setup& setup, const DialRequest& request);
  // Accepted.
  Attempt(Setup& setup, Listener& listener, Socket socket);
  // To be filled in: by a journal, or with the reason why there is no other.
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
  // Every step, from its start, a completion or a timer, comes through here: want of memory,
  // wherever it comes up, fails the attempt. fail() and what it calls allocate nothing.
  template <auto Step, typename... Arguments>
  void take(Arguments... arguments) noexcept {
    unless_out_of_memory([&] { (this->*Step)(arguments...); },
                         [&] { fail(Error(Errc::memory_exhausted, "setting the connection up")); });
  }
  template <auto Step>
  [[nodiscard]] static Completion::Function on() noexcept;
  void start();
  void tell(OpenStage stage) noexcept;
  Result<void> prepare();
  void resolve();
  void on_resolved(Outcome outcome);
  void connect_next();
  void on_connected(Outcome outcome);
  void shake_hands();
  void on_ready(Outcome outcome);
  void pump();
  bool send_output();
  bool take_input();
  Result<void> gather();
  void succeed() noexcept;
  void give_up_late();
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
  bool agreed_ = false;  // both ends know, or will once the output is sent

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

  // Errors: system_error, when there is no thread to be had; memory_exhausted.
  Result<void> start() noexcept;
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
  // Any thread; takes the listener over.
  void post(std::unique_ptr<Listener> listener) noexcept;

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
  void begin(DialRequest& request) noexcept;
  void begin(Listener& listener) noexcept;
  void take_back(Attempt& attempt) noexcept;
  void give_up_aborted() noexcept;
  void give_up_all() noexcept;
  void close_listeners() noexcept;
  void on_accept(Listener& listener, Outcome outcome) noexcept;
  void accept(Listener& listener, Socket socket) noexcept;
  void finished(Attempt& attempt) noexcept;
  void say_refused(const Error& error) const noexcept;
  Result<const TlsContext*> context_for(const TlsOptions& options);

  struct CachedContext {
    TlsOptions options;
    std::unique_ptr<TlsContext> context;
  };
  std::unique_ptr<Io> io_;
  Hooks hooks_;
  TimerQueue timers_;
  std::uint32_t attempts_max_;
  std::vector<Attempt*> attempts_;
  std::vector<Attempt*> walked_;  // a copy of them: attempts end while they are walked
  // Carries the failure of a dial that there was no memory to make an attempt of. One is enough:
  // while the reactor has it, others wait in their mailbox.
  std::unique_ptr<Attempt> spare_;
  Attempt* lent_ = nullptr;
  Listener* listeners_ = nullptr;
  std::vector<CachedContext> contexts_;
  Mailbox<Attempt> mail_;
  Mailbox<Listener> listener_mail_;
  Mailbox<DialRequest> dials_;
  std::atomic<bool> gave_some_up_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> keys_needed_{false};
  bool gave_up_ = false;
  std::thread thread_;
};

}  // namespace zenwire::detail
