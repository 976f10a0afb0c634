#include <algorithm>
#include <unordered_map>
#include <utility>

#include <zenwire/engine/journal.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>

#include "journal.hpp"
#include "journal_options.hpp"
#include "journal_user.hpp"

namespace zenwire {
namespace {

using detail::JournalCall;
using detail::RecordedCall;

// The Io of a replay's set-up, where nothing is done: what came of it is in the journal. The
// reactor begins with one, too, until the journal takes its place.
class NoIo final : public Io {
 public:
  void submit_connect(Completion&, Socket, const Address&) noexcept override {}
  void submit_accept(Completion&, Socket) noexcept override {}
  void submit_poll(Completion&, Socket, PollFor, bool) noexcept override {}
  void submit_resolve(Completion&, ResolveRequest&) noexcept override {}
  void submit_cancel(Completion&) noexcept override {}
  std::size_t reap(std::span<Reaped>, Instant_ns) noexcept override { return 0; }
  void gather(Instant_ns) noexcept override {}
  void wake() noexcept override {}
  std::ptrdiff_t take(Socket, MutableBytes, TakeMode) noexcept override { return 0; }
  std::ptrdiff_t settle(Socket, std::size_t bytes) noexcept override {
    return static_cast<std::ptrdiff_t>(bytes);
  }
  std::ptrdiff_t send(Socket, Bytes bytes) noexcept override {
    return static_cast<std::ptrdiff_t>(bytes.size());
  }
  Result<Socket> open_socket(const Address&, const Address*,
                             const SocketOptions&) noexcept override {
    return fail(Errc::connect_failed, "a replay opens no socket");
  }
  Result<Socket> open_listener(const Address&, const SocketOptions&) noexcept override {
    return fail(Errc::listen_failed, "a replay opens no socket");
  }
  void configure(Socket, const SocketOptions&) noexcept override {}
  void shutdown_send(Socket) noexcept override {}
  void close(Socket) noexcept override {}
  [[nodiscard]] Address local_address(Socket) const noexcept override { return {}; }
  [[nodiscard]] Address remote_address(Socket) const noexcept override { return {}; }
  [[nodiscard]] Instant_ns now() noexcept override { return 1; }
  [[nodiscard]] std::uint64_t wall_ns() noexcept override { return 1; }
  [[nodiscard]] TickSource ticks() const noexcept override { return {}; }
  void random(MutableBytes bytes) noexcept override {
    std::fill(bytes.begin(), bytes.end(), std::byte{0});
  }
};

constexpr std::size_t kQueue_bytes = std::size_t{64} << 10;

void say_nothing(void*, std::string_view) noexcept {}

}  // namespace

// Stands in for the program: at every place where its code ran, it makes the calls that it made.
struct JournalReplay::Impl {
  std::unique_ptr<detail::Journal> journal;
  ReactorOptions options;
  Reactor* reactor = nullptr;
  detail::JournalUser* user = nullptr;
  std::unordered_map<std::uint64_t, std::unique_ptr<Timer>> timers;
  std::unique_ptr<MessageQueue> queue;

  Result<std::unique_ptr<Reactor>> make(bool stands_in);
  void perform_calls() noexcept;
  void perform(const RecordedCall& call) noexcept;
  void perform(const RecordedCall& call, Connection& connection) noexcept;
  void connect(const RecordedCall& call) noexcept;
  Timer& timer(std::uint64_t number);
};

JournalReplay::JournalReplay(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
JournalReplay::JournalReplay(JournalReplay&&) noexcept = default;
JournalReplay& JournalReplay::operator=(JournalReplay&&) noexcept = default;
JournalReplay::~JournalReplay() = default;

Result<JournalReplay> JournalReplay::open(const std::string& path) {
  auto journal = detail::Journal::open(path);
  if (!journal) return tl::unexpected<Error>(journal.error());
  auto options = detail::read_head(**journal);
  if (!options) {
    const Error& error = options.error();
    return fail(error.code(), path + ": " + std::string(error.detail()));
  }
  auto impl = std::make_unique<Impl>();
  impl->journal = std::move(*journal);
  impl->options = std::move(*options);
  impl->options.log = Callback<std::string_view>(&say_nothing, nullptr);
  return JournalReplay(std::move(impl));
}

Result<std::unique_ptr<Reactor>> JournalReplay::Impl::make(bool stands_in) {
  ReactorIo ios{std::make_unique<NoIo>(), std::make_unique<NoIo>(), false, journal.get()};
  auto made = Reactor::create(options, std::move(ios));
  if (!made) return made;
  reactor = made->get();
  user = &reactor->journal_user();
  if (stands_in) user->perform = Callback<>::to<&Impl::perform_calls>(*this);
  return made;
}

Result<std::unique_ptr<Reactor>> JournalReplay::reactor() {
  return impl_->make(false);
}

bool JournalReplay::ended() const noexcept {
  return !impl_->journal->live();
}

JournalReport JournalReplay::report() const {
  JournalReport report;
  report.events = impl_->journal->events();
  report.sends = impl_->journal->sends();
  report.torn = impl_->journal->torn();
  report.divergence = impl_->journal->divergence();
  if (impl_->user == nullptr) return report;
  report.callbacks = impl_->user->callbacks();
  report.callback_hash = impl_->user->callback_hash();
  return report;
}

Result<JournalReport> JournalReplay::run() {
  auto queue = MessageQueue::make({.capacity_bytes = kQueue_bytes});
  if (!queue) return tl::unexpected<Error>(queue.error());
  impl_->queue = std::move(*queue);
  auto reactor = impl_->make(true);
  if (!reactor) return tl::unexpected<Error>(reactor.error());
  while (impl_->journal->live()) {
    impl_->perform_calls();
    if (impl_->journal->live()) (*reactor)->poll(false);
    (*reactor)->step_setup();
  }
  const JournalReport came_to = report();
  for (auto& [number, timer] : impl_->timers) (*reactor)->cancel(*timer);
  reactor->reset();
  impl_->user = nullptr;
  return came_to;
}

// --- The program's calls.

void JournalReplay::Impl::perform_calls() noexcept {
  for (;;) {
    if (user->skip_look()) continue;
    if (journal->next() != detail::JournalEvent::call) return;
    const RecordedCall call = user->next_call();
    const std::size_t before = journal->place().at;
    if (journal->live()) perform(call);
    if (!journal->live()) return;
    if (journal->place().at == before)
      journal->disagree("a call of the program that can be made", "one that cannot");
  }
}

void JournalReplay::Impl::perform(const RecordedCall& call) noexcept {
  switch (call.call) {
    case JournalCall::connect: return connect(call);
    case JournalCall::listen: {
      ListenOptions listening;
      listening.address = as_text(call.payload);
      listening.port = static_cast<std::uint16_t>(call.number);
      listening.limits.message_bytes_max = options.message_bytes_max;
      static_cast<void>(reactor->listen(listening));
      return;
    }
    case JournalCall::arm: return reactor->arm(timer(call.number), call.time_ns);
    case JournalCall::cancel: return reactor->cancel(timer(call.number));
    default: break;
  }
  if (Connection* connection = reactor->find(call.id); connection != nullptr)
    perform(call, *connection);
}

void JournalReplay::Impl::perform(const RecordedCall& call, Connection& connection) noexcept {
  const auto opcode = static_cast<Opcode>(call.number);
  std::vector<Bytes> secrets;
  switch (call.call) {
    case JournalCall::send:
      for (const SecretRange& secret : call.secrets)
        secrets.push_back(call.payload.subspan(secret.offset, secret.bytes));
      if (opcode != Opcode::text && opcode != Opcode::binary) return;
      static_cast<void>(connection.send_secret(opcode, call.payload, secrets));
      return;
    case JournalCall::send_frames: static_cast<void>(connection.send_frames(call.payload)); return;
    case JournalCall::ping: static_cast<void>(connection.ping(call.payload)); return;
    case JournalCall::pong: static_cast<void>(connection.pong(call.payload)); return;
    case JournalCall::close:
      static_cast<void>(
          connection.close(static_cast<std::uint16_t>(call.number), as_text(call.payload)));
      return;
    case JournalCall::abort: return connection.abort(Error(static_cast<Errc>(call.number)));
    case JournalCall::cork: return connection.cork();
    case JournalCall::uncork: return connection.uncork();
    case JournalCall::pause: return connection.pause();
    case JournalCall::resume: return connection.resume();
    case JournalCall::deliver_to:
      return connection.deliver_to(call.number != 0 ? &*queue : nullptr);
    default: return;
  }
}

// The URL is without its query, and nobody dials it.
void JournalReplay::Impl::connect(const RecordedCall& call) noexcept {
  ConnectOptions connecting;
  connecting.url = as_text(call.payload);
  connecting.limits.message_bytes_max = options.message_bytes_max;
  static_cast<void>(reactor->connect(connecting));
}

Timer& JournalReplay::Impl::timer(std::uint64_t number) {
  std::unique_ptr<Timer>& timer = timers[number];
  if (timer == nullptr)
    timer = std::make_unique<Timer>(Callback<Timer&>([](void*, Timer&) noexcept {}));
  return *timer;
}

}  // namespace zenwire
