#include "setup.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <zenwire/base/duration.hpp>

#include "start_thread.hpp"

namespace zenwire::detail {
namespace {

constexpr std::size_t kReaped_max = 64;
// Masking keys are looked after this often: a block lasts 16,384 frames.
constexpr Instant_ns kKeysPeriod_ns = 4'000'000;
// A server that answered with an error may take this long over its body.
constexpr std::chrono::milliseconds kBodyWait{250};

Errc connect_error(int error) noexcept {
  switch (error) {
    case ECONNREFUSED: return Errc::connect_refused;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN: return Errc::connect_unreachable;
    case ETIMEDOUT: return Errc::connect_timeout;
    case ECONNRESET: return Errc::connect_reset;
    default: return Errc::connect_failed;
  }
}

// "host", "host:port", "[v6]:port" or a bare IPv6 address.
struct DialTarget {
  std::string host;
  std::uint16_t port;
};

DialTarget dial_target(const ConnectOptions& options, const Url& url) {
  const std::string& dial = options.dial;
  if (dial.empty()) return {url.host, url.port};
  if (Address::from_literal(dial, 0)) return {dial, url.port};
  const auto colon = dial.rfind(':');
  if (colon == std::string::npos || dial.back() == ']') {
    return {dial.front() == '[' ? dial.substr(1, dial.size() - 2) : dial, url.port};
  }
  std::string host = dial.substr(0, colon);
  if (!host.empty() && host.front() == '[') host = host.substr(1, host.size() - 2);
  return {host, static_cast<std::uint16_t>(std::strtoul(dial.c_str() + colon + 1, nullptr, 10))};
}

}  // namespace

// --- What was agreed.

Result<void> open_deflate(Established& established, Role role) {
  const auto& agreed = established.opened.deflate;
  if (!agreed) return {};
  const DeflateSide ours = role == Role::client ? agreed->client_side() : agreed->server_side();
  const DeflateSide theirs = role == Role::client ? agreed->server_side() : agreed->client_side();
  const DeflateTuning tuning{.level = established.deflate_level};
  const std::size_t bytes =
      deflate_arena_bytes(ours, tuning) + inflate_arena_bytes(theirs) + Arena::kAlignment_bytes;
  established.deflate_memory = std::make_unique<std::byte[]>(bytes);
  Arena arena({established.deflate_memory.get(), bytes});
  auto deflater = Deflater::open(ours, arena, tuning);
  if (!deflater) return tl::unexpected<Error>(deflater.error());
  auto inflater = Inflater::open(theirs, arena);
  if (!inflater) return tl::unexpected<Error>(inflater.error());
  established.deflater = *deflater;
  established.inflater = *inflater;
  return {};
}

// --- Listener.

Listener::Listener(Setup& owner, const ListenOptions& listen_options)
    : setup(owner),
      options(listen_options),
      accept(
          [](void* self, Outcome outcome) noexcept {
            auto& listener = *static_cast<Listener*>(self);
            listener.setup.on_accept(listener, outcome);
          },
          this) {}

// --- Attempt: construction.

template <auto Step>
Completion::Function Attempt::on() noexcept {
  return [](void* attempt, Outcome outcome) noexcept {
    static_cast<Attempt*>(attempt)->take<Step>(outcome);
  };
}

Attempt::Attempt(Setup& setup, Dial* dial, ConnectionId connection, const ConnectOptions& options,
                 Url url)
    : id(connection),
      role(Role::client),
      setup_(setup),
      dial_(dial),
      options_(options),
      url_(std::move(url)),
      deadline_(Callback<Timer&>::to<&Attempt::on_deadline>(*this)),
      resolved_(on<&Attempt::on_resolved>(), this),
      connected_(on<&Attempt::on_connected>(), this),
      readable_(on<&Attempt::on_ready>(), this),
      writable_(on<&Attempt::on_ready>(), this) {}

Attempt::Attempt(Setup& setup, const ConnectOptions& options, Url url)
    : Attempt(setup, nullptr, ConnectionId{}, options, std::move(url)) {}

void Attempt::assign(Dial& dial, ConnectionId connection) noexcept {
  dial_ = &dial;
  id = connection;
}

Attempt::Attempt(Setup& setup, const DialRequest& request)
    : Attempt(setup, request.dial, request.id, request.endpoint->options(),
              request.endpoint->url()) {
  first_address_ = request.first_address;
}

Attempt::Attempt(Setup& setup, Listener& listener, Socket socket)
    : Attempt(setup, nullptr, ConnectionId{}, ConnectOptions{}, Url{}) {
  role = Role::server;
  listener_ = &listener;
  established.socket = socket;
  on_accepted = listener.options.on_open;
  listener_number = listener.number;
  options_.limits = listener.options.limits;
  options_.deadlines = listener.options.deadlines;
  options_.deflate = listener.options.deflate;
  options_.socket.kernel_stamps = listener.options.socket.kernel_stamps;
}

Attempt::Attempt(Setup& setup, Role its_role, ConnectionId connection)
    : Attempt(setup, nullptr, connection, ConnectOptions{}, Url{}) {
  role = its_role;
}

Attempt::~Attempt() {
  ZW_ASSERT(!busy() && established.socket == kNoSocket);
}

bool Attempt::busy() const noexcept {
  return resolved_.submitted() || connected_.submitted() || readable_.submitted() ||
         writable_.submitted();
}

std::string Attempt::where() const {
  if (role == Role::server) return "client " + remote_.text();
  return url_.printable() + (remote_.empty() ? "" : " at " + remote_.text());
}

// --- Attempt: stages.

void Attempt::tell(OpenStage stage) noexcept {
  if (dial_ == nullptr) return;
  dial_->stage.store(stage, std::memory_order_relaxed);
  if (!dial_->told.exchange(true, std::memory_order_acq_rel)) setup_.hooks_.tell(*dial_);
}

void Attempt::start() {
  started_ns_ = stage_started_ns_ = setup_.io_->now();
  total_deadline_ns_ = started_ns_ + to_ns(options_.deadlines.total);
  if (role == Role::server) {
    remote_ = setup_.io_->remote_address(established.socket);
    setup_.io_->configure(established.socket, listener_->options.socket);
    shake_hands();
    return;
  }
  if (const auto prepared = prepare(); !prepared) {
    fail(prepared.error());
    return;
  }
  resolve();
}

Result<void> Attempt::prepare() {
  if (url_.secure) {
    const auto context = setup_.context_for(options_.tls);
    if (!context) return tl::unexpected<Error>(context.error());
    tls_ = *context;
    if (!options_.tls.verify) {
      setup_.hooks_.log("warning: " + url_.printable() +
                        ": the server's certificate is not verified (verify is off)");
    }
  }
  if (!options_.local_address.empty()) {
    local_ = Address::from_literal(options_.local_address, 0).value_or(Address{});
  }
  headers_ = options_.headers;
  if (options_.fresh_headers) options_.fresh_headers(headers_);
  return {};
}

void Attempt::resolve() {
  tell(OpenStage::resolving);
  arm(options_.deadlines.resolve, Errc::resolve_timeout);
  const DialTarget target = dial_target(options_, url_);
  question_.host = target.host;
  question_.port = target.port;
  if (const auto literal = Address::from_literal(target.host, target.port)) {
    question_.addresses = {*literal};
    connect_next();
    return;
  }
  setup_.io_->submit_resolve(resolved_, question_);
}

void Attempt::on_resolved(Outcome outcome) {
  if (failing_) return fail_when_idle();
  if (outcome.result == -ENOMEM)
    return fail(Error(Errc::memory_exhausted, "resolving the name", ENOMEM));
  if (outcome.result <= 0) {
    fail(Error(Errc::name_not_resolved, question_.host + ": " + question_.error));
    return;
  }
  established.opened.resolve_ns = setup_.io_->now() - stage_started_ns_;
  auto& addresses = question_.addresses;
  std::rotate(addresses.begin(),
              addresses.begin() + static_cast<std::ptrdiff_t>(first_address_ % addresses.size()),
              addresses.end());
  connect_next();
}

// Each address gets its share of the time that is left; the last error is the one to report.
void Attempt::connect_next() {
  tell(OpenStage::connecting);
  stage_started_ns_ = setup_.io_->now();
  while (next_address_ < question_.addresses.size()) {
    remote_ = question_.addresses[next_address_++];
    const auto socket = setup_.io_->open_socket(remote_, &local_, options_.socket);
    if (!socket) {
      last_error_ = socket.error();
      continue;
    }
    established.socket = *socket;
    const auto left = static_cast<std::int64_t>(question_.addresses.size() - next_address_ + 1);
    arm(left == 1 ? options_.deadlines.connect : options_.deadlines.connect / left,
        Errc::connect_timeout);
    setup_.io_->submit_connect(connected_, *socket, remote_);
    return;
  }
  fail(last_error_ ? last_error_ : Error(Errc::name_not_resolved, question_.host + ": no address"));
}

void Attempt::on_connected(Outcome outcome) {
  const bool more_addresses = next_address_ < question_.addresses.size();
  if (outcome.result < 0 &&
      (!failing_ || (deadline_code_ == Errc::connect_timeout && more_addresses))) {
    const bool late = outcome.result == -ECANCELED;
    const int error = late ? ETIMEDOUT : -outcome.result;
    last_error_ = Error(connect_error(error), where() + ": " + std::strerror(error), error);
    setup_.io_->close(established.socket);
    established.socket = kNoSocket;
    failing_ = false;
    if (setup_.io_->now() < total_deadline_ns_) return connect_next();
    fail(deadline_error());
    return;
  }
  if (failing_) return fail_when_idle();
  established.opened.connect_ns = setup_.io_->now() - stage_started_ns_;
  shake_hands();
}

void Attempt::shake_hands() {
  stage_started_ns_ = setup_.io_->now();
  std::array<std::byte, 16> key_bytes;
  setup_.io_->random(key_bytes);
  auto opening = role == Role::client ? Opening::client(options_, url_, headers_, tls_, key_bytes)
                                      : Opening::server(listener_->options, listener_->tls.get());
  if (!opening) return fail(opening.error());
  opening_ = std::move(*opening);
  const bool tls = opening_->stage() == Opening::Stage::tls;
  tell(tls ? OpenStage::tls : OpenStage::upgrading);
  arm(tls ? options_.deadlines.tls : options_.deadlines.upgrade,
      tls ? Errc::tls_timeout : Errc::upgrade_timeout);
  pump();
}

void Attempt::on_ready(Outcome) {
  pump();
}

// As far as it goes without waiting.
void Attempt::pump() {
  if (failing_) return fail_when_idle();
  if (readable_.submitted() || writable_.submitted()) return;
  for (;;) {
    const auto stage = opening_->stage();
    const auto progress =
        opening_->advance(static_cast<std::int64_t>(setup_.io_->wall_ns() / 1'000'000'000));
    if (stage != opening_->stage()) {
      const Instant_ns now = setup_.io_->now();
      if (stage == Opening::Stage::tls) {
        established.opened.tls_ns = now - stage_started_ns_;
        tell(OpenStage::upgrading);
      }
      stage_started_ns_ = now;
      const bool body = opening_->stage() == Opening::Stage::body;
      arm(body ? std::min<std::chrono::nanoseconds>(kBodyWait, options_.deadlines.upgrade)
               : options_.deadlines.upgrade,
          Errc::upgrade_timeout);
    }
    if (progress == Opening::Progress::opened && !std::exchange(agreed_, true)) {
      if (const auto gathered = gather(); !gathered) return fail(gathered.error());
    }
    if (!send_output()) return;
    if (progress == Opening::Progress::opened) return succeed();
    if (progress == Opening::Progress::failed) return fail(opening_->failure().error);
    if (!take_input()) return;
  }
}

// False: it waits for room, or the attempt has failed.
bool Attempt::send_output() {
  while (!opening_->output().empty()) {
    const auto sent = setup_.io_->send(established.socket, opening_->output());
    if (sent == -EAGAIN) {
      setup_.io_->submit_poll(writable_, established.socket, PollFor::writable, false);
      return false;
    }
    if (sent < 0) {
      // The peer may have said why before it stopped reading.
      if (opening_->output().empty() || sent == -EPIPE || sent == -ECONNRESET)
        opening_->end_of_stream();
      fail(Error(Errc::connect_reset, where() + ": " + std::strerror(static_cast<int>(-sent)),
                 static_cast<int>(-sent)));
      return false;
    }
    opening_->output_consume(static_cast<std::size_t>(sent));
  }
  return true;
}

// False: it waits for bytes, or the attempt has failed.
bool Attempt::take_input() {
  const auto taken = setup_.io_->take(established.socket, opening_->space(), TakeMode::consume);
  if (taken == -EAGAIN) {
    setup_.io_->submit_poll(readable_, established.socket, PollFor::readable, false);
    return false;
  }
  if (taken < 0) {
    fail(Error(Errc::connect_reset, where() + ": " + std::strerror(static_cast<int>(-taken)),
               static_cast<int>(-taken)));
    return false;
  }
  if (taken == 0) {
    opening_->end_of_stream();
  } else {
    opening_->received(static_cast<std::size_t>(taken));
  }
  return true;
}

// --- Attempt: ends.

// All that allocates, before a server says yes: what it says must hold.
Result<void> Attempt::gather() {
  const std::uint64_t resolve_ns = established.opened.resolve_ns;
  const std::uint64_t connect_ns = established.opened.connect_ns;
  const std::uint64_t tls_ns = established.opened.tls_ns;
  established.opened = std::move(opening_->opened());
  established.opened.resolve_ns = resolve_ns;
  established.opened.connect_ns = connect_ns;
  established.opened.tls_ns = tls_ns;
  established.opened.remote = remote_;
  established.opened.local = setup_.io_->local_address(established.socket);
  established.label = role == Role::client ? url_.printable() : remote_.text();
  established.limits = options_.limits;
  established.close_timeout_ns = to_ns(options_.deadlines.close);
  if (options_.socket.kernel_stamps) established.transmits = std::make_unique<TransmitLog>();
  const Bytes leftover = opening_->leftover();
  established.leftover.assign(leftover.begin(), leftover.end());
  established.tls = opening_->take_tls();
  established.deflate_level = options_.deflate.level;
  return open_deflate(established, role);
}

void Attempt::succeed() noexcept {
  ZW_ASSERT(!busy());
  setup_.timers_.cancel(deadline_);
  established.opened.upgrade_ns = setup_.io_->now() - stage_started_ns_;
  opening_.reset();
  succeeded = true;
  setup_.finished(*this);
}

void Attempt::fail(const Error& error) noexcept {
  if (opening_ != nullptr) failure = std::move(opening_->failure());
  failure.error = error;
  failing_ = true;
  fail_when_idle();
}

// The kernel must let go of every completion before the socket may be closed.
void Attempt::fail_when_idle() noexcept {
  if (!busy()) return conclude();
  for (Completion* completion : {&resolved_, &connected_, &readable_, &writable_}) {
    setup_.io_->submit_cancel(*completion);
  }
}

void Attempt::conclude() noexcept {
  setup_.timers_.cancel(deadline_);
  if (established.socket != kNoSocket) {
    if (opening_ != nullptr && role == Role::server && !agreed_ && !opening_->output().empty()) {
      // A last word (a refusal, an alert); if there is no room for it, the peer sees the end all
      // the same.
      [[maybe_unused]] const auto sent = setup_.io_->send(established.socket, opening_->output());
    }
    setup_.io_->close(established.socket);
    established.socket = kNoSocket;
  }
  opening_.reset();
  failure.remote = remote_;
  succeeded = false;
  setup_.finished(*this);
}

// --- Attempt: deadlines.

void Attempt::arm(std::chrono::nanoseconds stage_limit, Errc code) noexcept {
  const Instant_ns stage_deadline_ns = setup_.io_->now() + to_ns(stage_limit);
  deadline_code_ = stage_deadline_ns < total_deadline_ns_ ? code : Errc::open_timeout;
  setup_.timers_.arm(deadline_, std::min(stage_deadline_ns, total_deadline_ns_));
}

Error Attempt::deadline_error() const {
  const auto waited_ms = (setup_.io_->now() - started_ns_) / 1'000'000;
  return {deadline_code_, where() + ": gave up after " + std::to_string(waited_ms) + " ms"};
}

void Attempt::on_deadline(Timer&) noexcept {
  take<&Attempt::give_up_late>();
}

void Attempt::give_up_late() {
  const Error late = deadline_error();
  if (opening_ != nullptr) {
    opening_->give_up(late);
    return fail(opening_->failure().error);
  }
  fail(late);
}

// --- Setup.

Setup::Setup(std::unique_ptr<Io> io, std::uint32_t attempts_max, Hooks hooks)
    : io_(std::move(io)), hooks_(hooks), timers_(2 * attempts_max), attempts_max_(attempts_max) {
  ZW_ASSERT(io_ != nullptr && attempts_max > 0);
  attempts_.reserve(2 * attempts_max);
  walked_.reserve(2 * attempts_max);
  spare_ = std::make_unique<Attempt>(*this, Role::client, ConnectionId{});
}

Setup::~Setup() {
  stop();
  take_mail();
  ZW_ASSERT(attempts_.empty() && lent_ == nullptr);
}

Result<void> Setup::start() noexcept {
  ZW_ASSERT(!thread_.joinable());
  auto thread = start_thread("set-up thread", [this] { run(); });
  if (!thread) return tl::unexpected<Error>(thread.error());
  thread_ = std::move(*thread);
  return {};
}

void Setup::request_stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  io_->wake();
}

void Setup::stop() noexcept {
  request_stop();
  if (thread_.joinable()) thread_.join();
  while (!is_over()) step(true);
}

void Setup::run() noexcept {
  while (!is_over()) step(true);
}

// What was posted before the stop is still taken: the reactor waits for each attempt's end.
bool Setup::is_over() const noexcept {
  return stopping_.load(std::memory_order_acquire) && attempts_.empty() && listeners_ == nullptr &&
         !mail_.has_mail() && !dials_.has_mail() && !listener_mail_.has_mail();
}

void Setup::post(Attempt& attempt) noexcept {
  if (mail_.post(attempt)) io_->wake();
}

void Setup::post(DialRequest& request) noexcept {
  if (dials_.post(request)) io_->wake();
}

void Setup::give_up(Dial& dial) noexcept {
  dial.given_up.store(true, std::memory_order_relaxed);
  gave_some_up_.store(true, std::memory_order_release);
  io_->wake();
}

void Setup::begin(Attempt& attempt) noexcept {
  attempts_.push_back(&attempt);
  attempt.take<&Attempt::start>();
}

// Without the memory for an attempt the spare one says so; without that one, later again.
void Setup::begin(DialRequest& request) noexcept {
  if (Attempt* attempt = or_null([&] { return new Attempt(*this, request); }))
    return begin(*attempt);
  if (spare_ == nullptr) return post(request);
  lent_ = spare_.release();
  lent_->id = request.id;
  lent_->failure.error = Error(Errc::memory_exhausted, "setting the connection up");
  hooks_.hand_over(*lent_);
}

void Setup::begin(Listener& listener) noexcept {
  if (stopping_.load(std::memory_order_acquire)) {  // too late to accept anything
    io_->close(listener.socket);
    delete &listener;
    return;
  }
  io_->submit_accept(listener.accept, listener.socket);
  Listener** end = &listeners_;
  while (*end != nullptr) end = &(*end)->mailbox_next;
  *end = &listener;
  listener.mailbox_next = nullptr;
}

void Setup::take_back(Attempt& attempt) noexcept {
  if (&attempt != lent_) {
    delete &attempt;
    return;
  }
  spare_.reset(std::exchange(lent_, nullptr));
  spare_->done = false;
  spare_->failure = {};
}

void Setup::post(std::unique_ptr<Listener> listener) noexcept {
  if (listener_mail_.post(*listener.release())) io_->wake();
}

void Setup::take_mail() noexcept {
  for (Attempt* attempt = mail_.take_all(); attempt != nullptr;) {
    Attempt* next = attempt->mailbox_next;
    if (attempt->done) {
      take_back(*attempt);
    } else {
      begin(*attempt);
    }
    attempt = next;
  }
  for (DialRequest* request = dials_.take_all(); request != nullptr;) {
    DialRequest* next = request->mailbox_next;
    begin(*request);
    request = next;
  }
  for (Listener* listener = listener_mail_.take_all(); listener != nullptr;) {
    Listener* next = listener->mailbox_next;
    begin(*listener);
    listener = next;
  }
}

void Setup::step(bool may_wait) noexcept {
  take_mail();
  if (gave_some_up_.exchange(false, std::memory_order_acquire)) give_up_aborted();
  if (!stopping_.load(std::memory_order_acquire)) {
    hooks_.idle();
  } else {  // stop() steps on the thread that destroys, which the hook is not for
    give_up_all();
    close_listeners();
    if (attempts_.empty() && listeners_ == nullptr) return;
  }
  Instant_ns wait_until_ns = may_wait ? timers_.next_deadline_ns() : 0;
  static_assert(TimerQueue::kNever == kNever_ns);
  if (may_wait && keys_needed_.load(std::memory_order_relaxed)) {
    wait_until_ns = std::min(wait_until_ns, io_->now() + kKeysPeriod_ns);
  }
  std::array<Reaped, kReaped_max> reaped;
  const std::size_t count = io_->reap(reaped, wait_until_ns);
  for (std::size_t i = 0; i < count; ++i) reaped[i].completion->complete(reaped[i].outcome);
  timers_.expire(io_->now());
}

void Setup::give_up_aborted() noexcept {
  walked_ = attempts_;
  for (Attempt* attempt : walked_) {
    const bool given_up =
        attempt->dial_ != nullptr && attempt->dial_->given_up.load(std::memory_order_relaxed);
    if (given_up && !attempt->failing_) attempt->fail(Error(Errc::aborted));
  }
}

void Setup::give_up_all() noexcept {
  if (gave_up_ && attempts_.empty()) return;
  gave_up_ = true;
  walked_ = attempts_;
  for (Attempt* attempt : walked_) {
    if (!attempt->failing_) attempt->fail(Error(Errc::reactor_stopping));
  }
}

void Setup::close_listeners() noexcept {
  for (Listener** at = &listeners_; *at != nullptr;) {
    Listener& listener = **at;
    if (listener.accept.submitted()) {
      io_->submit_cancel(listener.accept);
      at = &listener.mailbox_next;
      continue;
    }
    *at = listener.mailbox_next;
    io_->close(listener.socket);
    delete &listener;
  }
}

void Setup::on_accept(Listener& listener, Outcome outcome) noexcept {
  if (outcome.result >= 0) {
    accept(listener, outcome.result);
  } else if (outcome.result != -ECANCELED) {
    say_refused(Error(Errc::system_error, std::strerror(-outcome.result), -outcome.result));
  }
  if (!outcome.more && !stopping_.load(std::memory_order_relaxed))
    io_->submit_accept(listener.accept, listener.socket);
}

void Setup::accept(Listener& listener, Socket socket) noexcept {
  if (attempts_.size() >= attempts_max_ || stopping_.load(std::memory_order_relaxed))
    return io_->close(socket);
  if (Attempt* attempt = or_null([&] { return new Attempt(*this, listener, socket); }))
    return begin(*attempt);
  io_->close(socket);
  say_refused(Errc::memory_exhausted);
}

// Without a string, which there may be no memory for.
void Setup::say_refused(const Error& error) const noexcept {
  const std::string_view code = name(error.code());
  const std::string_view detail = error.detail();
  std::array<char, 512> line;
  const int bytes = std::snprintf(
      line.data(), line.size(), "a client could not be accepted: %.*s: %.*s",
      static_cast<int>(code.size()), code.data(), static_cast<int>(detail.size()), detail.data());
  hooks_.log(std::string_view(line.data(), static_cast<std::size_t>(bytes)));
}

void Setup::finished(Attempt& attempt) noexcept {
  std::erase(attempts_, &attempt);
  if (attempt.role == Role::server && !attempt.succeeded) {
    say_refused(attempt.failure.error);
    delete &attempt;
    return;
  }
  hooks_.hand_over(attempt);
}

// Making a context reads and parses certificates: milliseconds. Connections with the same options
// share one.
Result<const TlsContext*> Setup::context_for(const TlsOptions& options) {
  for (const auto& cached : contexts_) {
    if (cached.options == options) return cached.context.get();
  }
  auto context = TlsContext::client(options);
  if (!context) return tl::unexpected<Error>(context.error());
  contexts_.push_back({options, std::make_unique<TlsContext>(std::move(*context))});
  return contexts_.back().context.get();
}

}  // namespace zenwire::detail
