#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <zenwire/base/duration.hpp>
#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/uring_io.hpp>

#include "connection_services.hpp"
#include "journal_arrival.hpp"
#include "journal_options.hpp"
#include "journal_user.hpp"
#include "reactor_telemetry.hpp"
#include "setup.hpp"
#include "telemetry_fields.hpp"

namespace zenwire {
namespace {

using detail::Attempt;
using detail::Dial;
using detail::Setup;

constexpr std::size_t kReaped_max = 256;
// A connection that is always readable lets others have their turn after this many takes.
constexpr int kTakesPerTurn_max = 4;
constexpr std::size_t kOutboxRecordsPerTurn_max = 64;
// While spinning, the clock is read for timers once in so many turns: a deadline is late by
// microseconds at most.
constexpr std::uint64_t kTurnsPerClockRead = 32;
// A take of more than this is a burst: the acknowledgement is not worth a second call over it.
constexpr std::size_t kPeek_bytes_max = 4096;
// A turn of so many bytes is of a stream at full speed: more may gather before the next look.
constexpr std::uint64_t kGather_bytes_min = 16 << 10;
// Every so many bursts the callbacks are timed, to find one that is too slow to be peeked.
constexpr std::uint64_t kBurstsPerTiming = 16;
// A sleeping reactor looks after messages that wait for room in a queue this often: their reader
// rings no bell.
constexpr Instant_ns kBacklogPeriod_ns = 100'000;
// From one message as sent by a peer to the next there is this much at most around the payload.
constexpr std::size_t kLargeSlack_bytes = std::size_t{64} << 10;
constexpr std::size_t kKeyBlock_bytes = std::size_t{64} << 10;
constexpr std::uint32_t kOwnTimers_max = 1;  // that are of no connection: the sampling
// Entries of a telemetry page beside those of connections, and queues that have one.
constexpr std::uint32_t kEntries_max = 2048;
constexpr std::size_t kQueuesShown_max = 256;

// On the hot thread, so without a string of its own.
Error connection_lost(const char* what, int error) noexcept {
  char text[Error::kDetail_bytes];
  const int bytes = std::snprintf(text, sizeof text, "%s: %s", what, std::strerror(error));
  return {Errc::connection_lost,
          {text, std::min(static_cast<std::size_t>(bytes), sizeof text - 1)},
          error};
}

void log_to_stderr(void*, std::string_view line) noexcept {
  std::fprintf(stderr, "zenwire: %.*s\n", static_cast<int>(line.size()), line.data());
}

// A connection's place in the reactor: its socket, its operations, its memory. Made at start, used
// again and again.
struct Slot {
  Slot(std::uint32_t slot_index, Completion::Function on_readable, Completion::Function on_writable,
       Callback<Timer&>::Function on_close_deadline, void* owner)
      : index(slot_index),
        dial(slot_index),
        readable(on_readable, this),
        writable(on_writable, this),
        close_deadline(Callback<Timer&>(on_close_deadline, this)),
        reactor(owner) {}

  Connection* connection = nullptr;
  Attempt* attempt = nullptr;  // the keeper of what was set up
  Socket socket = kNoSocket;
  bool polled = false;     // the ring tells when it is readable; otherwise it is read in turn
  bool ready = false;      // in `ready`
  bool attention = false;  // in `attention`
  bool peek = true;        // take by peek and settle
  bool peek_allowed = true;
  bool flushing = false;
  bool ending = false;
  bool peer_ended = false;  // read to the end: what came with the end wakes nobody a second time
  bool reread = false;      // reading was withheld: read again when that ends
  detail::TransmitLog* transmits = nullptr;  // with the kernel's stamps
  std::uint64_t bursts = 0;
  std::uint32_t open_index = 0;

  std::uint32_t index;
  TelemetryBlock<ConnectionCounters> counters;
  Dial dial;
  MutableBytes receive_memory;
  MutableBytes send_memory;
  Completion readable;
  Completion writable;
  Timer close_deadline;
  void* reactor;
  alignas(Connection) std::byte storage[sizeof(Connection)];
};

struct Post {
  Post* mailbox_next = nullptr;
  Callback<Reactor&> call;
};

struct AttachedOutbox {
  Outbox* outbox = nullptr;
  Callback<const OutboxRefusal&> on_refused;
};

}  // namespace

struct Reactor::Impl {
  Impl(Reactor* reactor, const ReactorOptions& reactor_options, std::unique_ptr<Io> reactor_io,
       std::unique_ptr<BufferPool> large_pool, MappedMemory buffer_memory,
       std::unique_ptr<TelemetryPage> telemetry_page, ReactorCounters& reactor_counters);
  ~Impl();
  void watch(detail::Journal& watching);
  Result<void> make_slots();
  Result<void> make_setup(std::unique_ptr<Io> setup_io, bool start_thread);

  // Connections. The first two allocate; who calls them looks after want of memory.
  Result<ConnectionId> connect(const ConnectOptions& connect_options,
                               const ConnectionHandlers& handlers);
  Result<Address> listen(const ListenOptions& listen_options);
  Slot* take_slot(Role role) noexcept;
  void add_handlers(Connection& connection, const ConnectionHandlers& handlers) noexcept;
  void release(Slot& slot) noexcept;
  void release_when_idle(Slot& slot) noexcept;
  Slot& slot_of(const Connection& connection) noexcept { return *slots[connection.id().index]; }
  [[nodiscard]] Slot* find(std::uint32_t index, std::uint32_t epoch) noexcept;

  // Hand-over.
  bool take_mail() noexcept;
  [[gnu::noinline, gnu::cold]] bool tell_of_stop() noexcept;
  [[nodiscard]] bool notice_is_due() noexcept;
  void tell_next() noexcept;
  void take_stages() noexcept;
  void take_attempt(Attempt& attempt) noexcept;
  void open(Slot& slot, Attempt& attempt) noexcept;
  void refuse(Attempt& attempt) noexcept;
  void choose_forms() noexcept;
  void poll_readable(Slot& slot, bool wanted) noexcept;

  // A turn.
  bool turn(bool may_wait) noexcept;
  bool noticed_turn(bool may_wait) noexcept;
  bool work(bool worked, bool may_wait) noexcept;
  bool reap(bool worked, bool may_wait) noexcept;
  void gather(bool may_wait) noexcept;
  [[nodiscard]] Instant_ns wait_until() noexcept;
  [[nodiscard]] bool still_spins(Instant_ns now_ns) noexcept;
  bool drain_outboxes() noexcept;
  ReadVerdict send_from(AttachedOutbox& attached, const OutboxView& view) noexcept;
  void sent_from(AttachedOutbox& attached, const OutboxHeader& header, Errc outcome) noexcept;
  Errc send_record(Connection& connection, const OutboxHeader& header, Bytes payload) noexcept;
  bool read_open() noexcept;
  bool read_ready() noexcept;
  bool read(Slot& slot) noexcept;
  bool take_burst(Slot& slot, MutableBytes space) noexcept;
  bool no_bytes(Slot& slot, std::ptrdiff_t result) noexcept;
  void settle(Slot& slot, std::size_t bytes) noexcept;
  void begin_stamps(Slot& slot) noexcept;
  [[gnu::noinline, gnu::cold]] std::ptrdiff_t take_stamped(Slot& slot, MutableBytes space,
                                                           TakeMode mode) noexcept;
  [[gnu::noinline, gnu::cold]] std::ptrdiff_t send_stamped(Slot& slot) noexcept;
  [[gnu::noinline, gnu::cold]] void report_transmits(Slot& slot) noexcept;
  void choose_take(Slot& slot, std::size_t bytes, Instant_ns began_ns) noexcept;
  void make_ready(Slot& slot) noexcept;
  bool look_after() noexcept;
  void look(Slot& slot) noexcept;
  void read_again(Slot& slot) noexcept;
  void end(Slot& slot) noexcept;
  void count_end(const Connection& connection) noexcept;
  void expire_timers(bool worked) noexcept;
  void begin_sampling(bool samples);
  void on_sample(Timer&) noexcept;
  void sample(Instant_ns now_ns) noexcept;

  // Hooks of connections, completions, timers.
  void flush(Connection& connection) noexcept;
  void attend(Connection& connection) noexcept;
  void on_readable(Slot& slot, Outcome outcome) noexcept;
  void on_writable(Slot& slot, Outcome outcome) noexcept;
  void hand_over(Attempt& attempt) noexcept;
  void tell(Dial& dial) noexcept;
  void keep_keys() noexcept { keys.refill(); }
  void fill_setup(MutableBytes bytes) noexcept { setup_random->random(bytes); }
  void fill_reactor(MutableBytes bytes) noexcept {
    user ? user->io().random_unnoted(bytes) : io->random(bytes);
  }

  // With a journal.
  [[nodiscard]] bool replaying() const noexcept {
    return journal != nullptr && journal->replaying();
  }
  bool exchange_news() noexcept;
  bool drain_noted() noexcept;
  ReadVerdict send_noted(std::uint32_t outbox, const OutboxView& view) noexcept;
  void note_connect(ConnectionId id, std::string_view url) noexcept;
  void note_listen(std::string_view host, std::uint16_t asked, std::uint16_t port) noexcept;
  Address replay_listen(Address address, Callback<Connection&> on_open);
  void note_arrival(Attempt& attempt) noexcept;
  void note_stage(std::uint32_t slot, OpenStage stage) noexcept;
  void run_post(const Callback<Reactor&>& call) noexcept;
  void note_stop() noexcept;
  void note_deadline(Instant_ns deadline_ns) noexcept;
  void accepted(Connection& connection, const Callback<Connection&>& on_accepted) noexcept;
  bool replay_news() noexcept;
  void replay_outbox() noexcept;
  void end_noted(std::uint32_t outbox, const OutboxHeader& header, Errc outcome) noexcept;
  void replay_arrival() noexcept;
  void replay_stage() noexcept;
  void replay_stop() noexcept;
  void end_unarrived() noexcept;

  // The end.
  void begin_stop() noexcept;
  bool stopped() noexcept;

  [[nodiscard]] bool slept_on() noexcept;
  void log(std::string_view line) const noexcept { options.log(line); }

  Reactor& self;
  ReactorOptions options;
  std::unique_ptr<detail::Journal> own_journal;  // that is written
  detail::Journal* journal = nullptr;            // that, or the one being replayed
  std::unique_ptr<Io> io;
  std::optional<detail::JournalUser> user;
  detail::JournalIo::Stream arriving;                   // of the attempt in hand
  std::uint32_t listeners = 0;                          // made so far
  std::vector<Callback<Connection&>> replay_listeners;  // on_open of each
  Io* setup_random = nullptr;                           // the set-up thread's Io, for masking keys
  std::unique_ptr<BufferPool> large;
  MappedMemory memory;
  MaskingKeys keys;
  std::vector<std::byte> scratch;
  detail::ConnectionServices services;
  TimerQueue timers;

  std::vector<std::unique_ptr<Slot>> slots;
  std::vector<std::uint32_t> free_slots;
  std::vector<Slot*> open_slots;
  std::vector<Slot*> ready_slots;
  std::vector<Slot*> ready_now;
  std::vector<Slot*> attention_slots;
  std::vector<Slot*> attention_now;
  std::uint32_t epoch_last = 0;
  std::uint32_t in_use = 0;
  bool direct = false;  // every open connection is read in turn

  std::array<AttachedOutbox, kOutboxes_max> outboxes{};
  std::size_t outbox_count = 0;     // attached
  std::size_t outboxes_polled = 0;  // the same, or none where a journal sees to them

  std::unique_ptr<TelemetryPage> telemetry;
  ReactorCounters& counters;
  std::optional<detail::ReactorTelemetry> sampled;  // the page has a name
  Timer sample_timer;
  // Where outcomes are copied to. A member: as a local its 4 KiB would be initialised in each turn.
  std::array<Reaped, kReaped_max> reaped{};
  Instant_ns idle_since_ns = 0;
  std::uint64_t bytes_looked_at = 0;  // bytes_received when it was last looked for more
  bool stopping = false;
  Instant_ns stop_deadline_ns = kNever_ns;

  // Other threads'.
  Mailbox<Attempt> arrivals;
  Mailbox<detail::StageNews> stages;
  Mailbox<Post> posts;
  StopNotices stop_notices;
  alignas(64) std::atomic<bool> sleeping{false};
  std::atomic<bool> noticed{false};  // there is a journal, or a stop was requested
  std::atomic<bool> stop_requested{false};
  std::atomic<std::int64_t> stop_after_ns{0};

  std::unique_ptr<Setup> setup;  // last: its thread uses the others
};

// --- Construction.

Reactor::Impl::Impl(Reactor* reactor, const ReactorOptions& reactor_options,
                    std::unique_ptr<Io> reactor_io, std::unique_ptr<BufferPool> large_pool,
                    MappedMemory buffer_memory, std::unique_ptr<TelemetryPage> telemetry_page,
                    ReactorCounters& reactor_counters)
    : self(*reactor),
      options(reactor_options),
      io(std::move(reactor_io)),
      setup_random(io.get()),
      large(std::move(large_pool)),
      memory(std::move(buffer_memory)),
      keys(RandomFill::to<&Impl::fill_setup>(*this), RandomFill::to<&Impl::fill_reactor>(*this),
           kKeyBlock_bytes),
      scratch(detail::kFrameScratch_bytes),
      services{.keys = keys,
               .large = *large,
               .ticks = io->ticks(),
               .frame_scratch = scratch,
               .flush = Callback<Connection&>::to<&Impl::flush>(*this),
               .attention = Callback<Connection&>::to<&Impl::attend>(*this)},
      timers(options.connections_max + kUserTimers_max + kOwnTimers_max),
      telemetry(std::move(telemetry_page)),
      counters(reactor_counters),
      sample_timer(Callback<Timer&>::to<&Impl::on_sample>(*this)) {
  if (!options.log) options.log = Callback<std::string_view>(&log_to_stderr, nullptr);
}

// From here on all that comes in passes the journal; on replay it comes from there.
void Reactor::Impl::watch(detail::Journal& watching) {
  journal = &watching;
  if (watching.replaying()) io.reset();
  auto watched =
      std::make_unique<detail::JournalIo>(watching, std::move(io), options.connections_max);
  user.emplace(watching, *watched);
  io = std::move(watched);
  setup_random = io.get();
  services.ticks = io->ticks();
  services.journal = &*user;
  keys.watch(Callback<std::uint32_t&>::to<&detail::JournalUser::key>(*user));
  timers.watch(Callback<bool, std::uint32_t>::to<&detail::JournalUser::around_timer>(*user));
  noticed.store(true, std::memory_order_relaxed);
}

Reactor::Impl::~Impl() {
  timers.cancel(sample_timer);
  if (setup != nullptr) setup->stop();
  take_mail();
  setup.reset();
  for (Post* post = posts.take_all(); post != nullptr;) {
    Post* next = post->mailbox_next;
    delete post;
    post = next;
  }
}

namespace {

std::size_t padded(std::size_t bytes) noexcept {
  return BufferPool::stride_bytes(bytes);
}

std::size_t slot_bytes(const ReactorOptions& options) noexcept {
  return padded(options.receive_buffer_bytes) + padded(options.send_buffer_bytes);
}

// The largest message, its frame's header or TLS records around it, and what else may wait before
// and behind it.
std::size_t large_bytes(const ReactorOptions& options) noexcept {
  const auto message = static_cast<std::size_t>(options.message_bytes_max);
  return message + message / 8 + message / 32 + kLargeSlack_bytes;
}

// Room for the reactor's own blocks and its connections', and for what users add.
TelemetryOptions telemetry_options(const ReactorOptions& options) {
  constexpr std::size_t kBlock_bytes =
      sizeof(ReactorCounters) + sizeof(ConnectionCounters) + telemetry::kBlockAlignment_bytes;
  return {.name = options.telemetry_name,
          .data_bytes = (options.connections_max + 1) * kBlock_bytes + options.telemetry_bytes,
          .entries_max = options.connections_max + kEntries_max};
}

Result<void> pin_to_core(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(core), &cores);
  const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof cores, &cores);
  if (error == 0) return {};
  return fail(Errc::affinity_refused, "core " + std::to_string(core) + ": " + std::strerror(error),
              error);
}

}  // namespace

Reactor::Reactor() noexcept = default;

Result<std::unique_ptr<Reactor>> Reactor::create(const ReactorOptions& options) noexcept {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<Reactor>> {
    auto io = UringIo::create();
    if (!io) return tl::unexpected<Error>(io.error());
    auto setup_io = UringIo::create();
    if (!setup_io) return tl::unexpected<Error>(setup_io.error());
    const RingReport ring = (*io)->report();
    const std::string core =
        options.core >= 0 ? "core " + std::to_string(options.core) : "any core";
    const std::string line = "io_uring with " + std::to_string(ring.operations) + " operations" +
                             (ring.defer_taskrun ? ", deferred task work" : "") + "; " +
                             crypto_report().text + "; " + core;
    auto reactor = create(options, {std::move(*io), std::move(*setup_io), true});
    if (reactor) (*reactor)->impl_->log(line);
    return reactor;
  });
}

Result<std::unique_ptr<Reactor>> Reactor::create(const ReactorOptions& options,
                                                 ReactorIo ios) noexcept {
  return or_memory_exhausted([&] { return make(options, std::move(ios)); });
}

Result<std::unique_ptr<Reactor>> Reactor::make(const ReactorOptions& options, ReactorIo ios) {
  if (auto valid = options.validate(); !valid) return tl::unexpected<Error>(valid.error());
  const MappedMemoryOptions memory_options{.prefault = options.prefault,
                                           .huge_pages = options.huge_pages};
  auto large = BufferPool::make({large_bytes(options), options.large_buffers, memory_options});
  if (!large) return tl::unexpected<Error>(large.error());
  auto memory = MappedMemory::make(options.connections_max * slot_bytes(options), memory_options);
  if (!memory) return tl::unexpected<Error>(memory.error());
  if (options.lock_memory && ::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
    return fail(Errc::memory_lock_refused, std::string("mlockall: ") + std::strerror(errno), errno);
  }
  auto telemetry = TelemetryPage::create(telemetry_options(options));
  if (!telemetry) return tl::unexpected<Error>(telemetry.error());
  const auto counters = (*telemetry)->add<ReactorCounters>("reactor", detail::kReactorFields);
  if (!counters) return tl::unexpected<Error>(counters.error());
  (*telemetry)->set_label(counters->entry, "");
  std::unique_ptr<detail::Journal> own_journal;
  if (!options.journal.empty() && ios.journal == nullptr) {
    auto journal = detail::create_journal(options);
    if (!journal) return tl::unexpected<Error>(journal.error());
    own_journal = std::move(*journal);
  }
  detail::Journal* const journal = own_journal != nullptr ? own_journal.get() : ios.journal;
  std::unique_ptr<Reactor> reactor(new Reactor);
  // The reactor's only when it is whole: its destructor runs it to its end.
  auto impl =
      std::make_unique<Impl>(reactor.get(), options, std::move(ios.reactor), std::move(*large),
                             std::move(*memory), std::move(*telemetry), *counters->data);
  impl->own_journal = std::move(own_journal);
  if (journal != nullptr) impl->watch(*journal);
  if (auto made = impl->make_slots(); !made) return tl::unexpected<Error>(made.error());
  if (auto made = impl->make_setup(std::move(ios.setup), ios.start_setup_thread); !made)
    return tl::unexpected<Error>(made.error());
  impl->begin_sampling(journal != nullptr && journal->replaying() ? journal->samples()
                                                                  : impl->telemetry->is_shared());
  reactor->impl_ = std::move(impl);
  return reactor;
}

Result<void> Reactor::Impl::make_setup(std::unique_ptr<Io> setup_io, bool start_thread) {
  setup_random = setup_io.get();
  setup = std::make_unique<Setup>(
      std::move(setup_io), options.connections_max,
      Setup::Hooks{.hand_over = Callback<Attempt&>::to<&Impl::hand_over>(*this),
                   .tell = Callback<Dial&>::to<&Impl::tell>(*this),
                   .log = options.log,
                   .idle = Callback<>::to<&Impl::keep_keys>(*this)});
  return start_thread ? setup->start() : Result<void>{};
}

Result<void> Reactor::Impl::make_slots() {
  for (std::uint32_t i = 0; i < options.connections_max; ++i) {
    auto slot = std::make_unique<Slot>(
        i,
        [](void* owner, Outcome outcome) noexcept {
          auto& at = *static_cast<Slot*>(owner);
          static_cast<Impl*>(at.reactor)->on_readable(at, outcome);
        },
        [](void* owner, Outcome outcome) noexcept {
          auto& at = *static_cast<Slot*>(owner);
          static_cast<Impl*>(at.reactor)->on_writable(at, outcome);
        },
        [](void* owner, Timer&) noexcept {
          auto& at = *static_cast<Slot*>(owner);
          auto& reactor = *static_cast<Impl*>(at.reactor);
          if (reactor.user) reactor.note_deadline(at.close_deadline.deadline_ns());
          at.connection->close_deadline_passed();
          reactor.look(at);
        },
        this);
    std::byte* const base = memory.data() + i * slot_bytes(options);
    slot->receive_memory = {base, options.receive_buffer_bytes};
    slot->send_memory = {base + padded(options.receive_buffer_bytes), options.send_buffer_bytes};
    auto block = telemetry->add<ConnectionCounters>("connection", detail::kConnectionFields);
    if (!block) return tl::unexpected<Error>(block.error());
    slot->counters = *block;
    slots.push_back(std::move(slot));
    free_slots.push_back(options.connections_max - 1 - i);
  }
  for (auto* list : {&open_slots, &ready_slots, &ready_now, &attention_slots, &attention_now}) {
    list->reserve(options.connections_max);
  }
  return {};
}

Reactor::~Reactor() {
  if (impl_ != nullptr) finish();
}

// By force, now. Nothing is left to do after an orderly end.
void Reactor::finish() noexcept {
  stop(std::chrono::nanoseconds(0));
  if (impl_->user && impl_->stopping) impl_->note_stop();
  impl_->stop_deadline_ns = 0;  // of an earlier stop() that was given more time
  while (poll(false)) {
    if (!impl_->setup->has_thread()) impl_->setup->step(false);
  }
}

// --- Connections.

Slot* Reactor::Impl::take_slot(Role role) noexcept {
  if (free_slots.empty()) return nullptr;
  Slot& slot = *slots[free_slots.back()];
  free_slots.pop_back();
  ++in_use;
  ZW_ASSERT(slot.connection == nullptr && slot.socket == kNoSocket);
  *slot.counters.data = {};
  if (role == Role::client) ++counters.connect_attempts;
  slot.connection =
      new (slot.storage) Connection(services, {slot.index, ++epoch_last}, role, slot.receive_memory,
                                    slot.send_memory, slot.counters.data);
  if (user) user->watch(*slot.connection);
  slot.peek = slot.peek_allowed = true;
  slot.ending = slot.flushing = slot.reread = slot.peer_ended = false;
  slot.transmits = nullptr;
  slot.bursts = 0;
  slot.dial.stage.store(OpenStage::waiting, std::memory_order_relaxed);
  slot.dial.given_up.store(false, std::memory_order_relaxed);
  return &slot;
}

void Reactor::Impl::add_handlers(Connection& connection,
                                 const ConnectionHandlers& handlers) noexcept {
  // A fresh table has room for one, so the ids are not looked at: who wants them adds the handlers
  // himself.
  if (handlers.on_open) static_cast<void>(connection.on_open.add(handlers.on_open));
  if (handlers.on_message) static_cast<void>(connection.on_message.add(handlers.on_message));
  if (handlers.on_control) static_cast<void>(connection.on_control.add(handlers.on_control));
  if (handlers.on_closed) static_cast<void>(connection.on_closed.add(handlers.on_closed));
  if (handlers.on_failed) static_cast<void>(connection.on_failed.add(handlers.on_failed));
  if (handlers.on_stage) static_cast<void>(connection.on_stage.add(handlers.on_stage));
}

Slot* Reactor::Impl::find(std::uint32_t index, std::uint32_t epoch) noexcept {
  if (index >= slots.size()) return nullptr;
  Slot& slot = *slots[index];
  if (slot.connection == nullptr || slot.ending) return nullptr;
  return epoch == OutboxTarget::kAnyEpoch || slot.connection->id().epoch == epoch ? &slot : nullptr;
}

// The kernel must let go of the socket before it is closed, and of the completions before they are
// used again.
void Reactor::Impl::release_when_idle(Slot& slot) noexcept {
  ZW_ASSERT(slot.ending);
  if (slot.readable.submitted() || slot.writable.submitted()) {
    io->submit_cancel(slot.readable);
    io->submit_cancel(slot.writable);
    return;
  }
  release(slot);
}

void Reactor::Impl::release(Slot& slot) noexcept {
  telemetry->set_label(slot.counters.entry, "", false);
  if (slot.socket != kNoSocket) io->close(slot.socket);
  slot.socket = kNoSocket;
  slot.connection->~Connection();
  slot.connection = nullptr;
  if (slot.attempt != nullptr) {
    slot.attempt->established.socket = kNoSocket;
    slot.attempt->done = true;
    setup->post(*slot.attempt);
    slot.attempt = nullptr;
  }
  free_slots.push_back(slot.index);
  --in_use;
}

// --- Hand-over from the set-up thread.

void Reactor::Impl::hand_over(Attempt& attempt) noexcept {
  arrivals.post(attempt);
  self.doorbell();
}

void Reactor::Impl::tell(Dial& dial) noexcept {
  stages.post(dial.news);
  self.doorbell();
}

// The news may be of an attempt that has ended since, and the slot may be another's: what is told
// is what the slot's attempt has come to now.
void Reactor::Impl::take_stages() noexcept {
  for (detail::StageNews* news = stages.take_all(); news != nullptr;) {
    detail::StageNews* next = news->mailbox_next;
    Dial& dial = *news->dial;
    dial.told.exchange(false, std::memory_order_acq_rel);
    const OpenStage stage = dial.stage.load(std::memory_order_relaxed);
    Connection* connection = slots[dial.slot]->connection;
    const bool opening = connection != nullptr && connection->state() == ConnectionState::opening;
    if (opening && stage != OpenStage::waiting) {
      if (user) note_stage(dial.slot, stage);
      connection->on_stage(*connection, stage);
    }
    news = next;
  }
}

// True if there was any: whoever polls wants to see what came of it before the reactor sleeps.
bool Reactor::Impl::take_mail() noexcept {
  take_stages();
  bool worked = false;
  for (Attempt* attempt = arrivals.take_all(); attempt != nullptr; worked = true) {
    Attempt* next = attempt->mailbox_next;
    take_attempt(*attempt);
    attempt = next;
  }
  for (Post* post = posts.take_all(); post != nullptr; worked = true) {
    Post* next = post->mailbox_next;
    user ? run_post(post->call) : post->call(self);
    delete post;
    post = next;
  }
  if (stopping) [[unlikely]]
    worked |= tell_of_stop();
  return worked;
}

// A replay tells when the journal does; behind the journal's end it tells the rest.
bool Reactor::Impl::notice_is_due() noexcept {
  if (replaying() && journal->live()) return journal->next() == detail::JournalEvent::notice;
  return !stop_notices.empty();
}

bool Reactor::Impl::tell_of_stop() noexcept {
  bool worked = false;
  for (; notice_is_due(); worked = true) tell_next();
  return worked;
}

// On a replay without the program there is nobody to call: what he did is in the journal.
void Reactor::Impl::tell_next() noexcept {
  const Callback<Reactor&> call = stop_notices.empty() ? Callback<Reactor&>() : stop_notices.take();
  if (user && journal->begin(detail::JournalEvent::notice)) journal->commit();
  if (user) user->begin_callback(detail::JournalCallback::notice, {});
  if (call) call(self);
  if (user) user->end_callback();
}

void Reactor::Impl::take_attempt(Attempt& attempt) noexcept {
  if (user) note_arrival(attempt);
  services.wall_ns = io->wall_ns();
  if (attempt.role == Role::server) {
    Slot* slot = stopping ? nullptr : take_slot(Role::server);
    if (slot == nullptr) return refuse(attempt);
    open(*slot, attempt);
    return;
  }
  Slot* slot = find(attempt.id.index, attempt.id.epoch);
  if (slot == nullptr) return refuse(attempt);
  if (attempt.succeeded && slot->connection->state() == ConnectionState::opening) {
    open(*slot, attempt);
    return;
  }
  if (attempt.succeeded) {  // it was given up too late for the set-up thread
    attempt.failure.error = Errc::aborted;
    slot->socket = attempt.established.socket;
  }
  ++counters.connections_failed;
  counters.last_error_code = static_cast<std::uint64_t>(attempt.failure.error.code());
  slot->attempt = &attempt;
  slot->connection->on_failed(*slot->connection, attempt.failure);
  slot->ending = true;
  release(*slot);
}

void Reactor::Impl::refuse(Attempt& attempt) noexcept {
  ++counters.accepts_refused;
  if (attempt.established.socket != kNoSocket) io->close(attempt.established.socket);
  attempt.established.socket = kNoSocket;
  attempt.done = true;
  setup->post(attempt);
}

void Reactor::Impl::open(Slot& slot, Attempt& attempt) noexcept {
  slot.attempt = &attempt;
  slot.socket = attempt.established.socket;
  slot.polled = false;
  slot.open_index = static_cast<std::uint32_t>(open_slots.size());
  open_slots.push_back(&slot);
  ++counters.connections_opened;
  if (user) {
    user->io().opened(slot.socket, slot.index, arriving);
    if (attempt.established.tls) attempt.established.tls->watch_input(user->io().input(slot.index));
  }
  telemetry->set_label(slot.counters.entry, attempt.established.label);
  if (attempt.established.transmits) [[unlikely]]
    begin_stamps(slot);
  choose_forms();
  slot.connection->open(attempt.established);
  if (attempt.role == Role::server) accepted(*slot.connection, attempt.on_accepted);
  if (stopping) static_cast<void>(slot.connection->close(CloseCode::going_away));
  make_ready(slot);
  attend(*slot.connection);
  setup->keep_keys_fresh(true);
}

// Up to a few connections are fastest read in turn; more are told of by the ring. What may sleep
// needs the ring.
void Reactor::Impl::choose_forms() noexcept {
  direct = options.idle == Idle::spin && open_slots.size() <= options.spin_sockets_max;
  for (Slot* slot : open_slots) poll_readable(*slot, !direct);
}

void Reactor::Impl::poll_readable(Slot& slot, bool wanted) noexcept {
  if (slot.polled == wanted) return;
  slot.polled = wanted;
  if (!wanted) {
    io->submit_cancel(slot.readable);
  } else if (!slot.readable.submitted()) {  // else its last outcome is on its way, and re-arms
    io->submit_poll(slot.readable, slot.socket, PollFor::readable, true);
    make_ready(slot);
  }
}

void Reactor::Impl::on_readable(Slot& slot, Outcome outcome) noexcept {
  if (slot.ending) {
    if (!outcome.more) release_when_idle(slot);
    return;
  }
  if (outcome.result >= 0) {
    const std::int32_t not_stamps =
        slot.transmits == nullptr ? kPollEnded : kPollEnded & ~kPollError;
    slot.peer_ended |= (outcome.result & not_stamps) != 0;
    make_ready(slot);
  }
  if (outcome.more || !slot.polled) return;
  io->submit_poll(slot.readable, slot.socket, PollFor::readable, true);
  make_ready(slot);
}

void Reactor::Impl::on_writable(Slot& slot, Outcome) noexcept {
  if (slot.ending) return release_when_idle(slot);
  flush(*slot.connection);
  look(slot);
}

// --- A turn.

bool Reactor::Impl::turn(bool may_wait) noexcept {
  ++counters.turns;
  if (noticed.load(std::memory_order_relaxed)) [[unlikely]]
    return noticed_turn(may_wait);
  return work(false, may_wait);
}

// There is a journal, or the end has come.
bool Reactor::Impl::noticed_turn(bool may_wait) noexcept {
  const bool by_journal = replaying() && journal->live();
  if (user) journal->enter_user(false);
  if (stop_requested.load(std::memory_order_relaxed) && !stopping && !by_journal) begin_stop();
  const bool news = user && exchange_news();
  const bool goes_on = work(news, may_wait);
  if (user) journal->enter_user(true);
  return goes_on;
}

inline bool Reactor::Impl::work(bool worked, bool may_wait) noexcept {
  worked |= drain_outboxes();
  worked |= take_mail();
  worked |= reap(worked, may_wait);
  worked |= direct ? read_open() : false;
  worked |= read_ready();
  worked |= look_after();
  expire_timers(worked);
  return !stopping || !stopped();
}

bool Reactor::Impl::reap(bool worked, bool may_wait) noexcept {
  if (options.gather_for.count() != 0) [[unlikely]]
    gather(may_wait);
  std::size_t count = 0;
  const bool over = stopping && in_use == 0;
  // With a journal the clock is read whether it may wait or not: a replay does not know.
  const bool idle = !worked && !over && ready_slots.empty();
  const Instant_ns wait_until_ns = idle && (may_wait || user) ? wait_until() : 0;
  if (wait_until_ns == 0 || !may_wait) {
    count = io->reap(reaped, 0);
  } else {
    // Announced first, looked again second: whoever put something in before the look is seen,
    // whoever after it sees the announcement and wakes us. Both sides need sequential consistency
    // between their store and their load.
    sleeping.store(true, std::memory_order_seq_cst);
    count = io->reap(reaped, slept_on() ? 0 : wait_until_ns);
    sleeping.store(false, std::memory_order_relaxed);
  }
  for (std::size_t i = 0; i < count; ++i) reaped[i].completion->complete(reaped[i].outcome);
  return count != 0;
}

// Never longer than it might sleep for want of work. A journal has the looks at the clock whether
// it may wait or not, as above.
void Reactor::Impl::gather(bool may_wait) noexcept {
  if (options.idle != Idle::block) return;
  const std::uint64_t taken_bytes = counters.bytes_received - bytes_looked_at;
  bytes_looked_at = counters.bytes_received;
  if (taken_bytes < kGather_bytes_min || !ready_slots.empty() || stopping) return;
  if (!may_wait && !user) return;
  const Instant_ns until_ns = std::min(io->now() + to_ns(options.gather_for), wait_until());
  if (may_wait) io->gather(until_ns);
}

// 0: not now.
inline Instant_ns Reactor::Impl::wait_until() noexcept {
  if (options.idle == Idle::spin) return 0;
  // With a journal one look at the clock in any case: in a replay the time between two events is
  // not exact, so what it says must not decide whether there is another look.
  const bool spins = options.idle == Idle::spin_then_block;
  const bool looks = spins || user || !attention_slots.empty();
  const Instant_ns now_ns = looks ? io->now() : 0;
  if (spins && still_spins(now_ns)) return 0;
  Instant_ns until_ns = timers.next_deadline_ns();
  if (stopping) until_ns = std::min(until_ns, stop_deadline_ns);
  if (!attention_slots.empty()) until_ns = std::min(until_ns, now_ns + kBacklogPeriod_ns);
  return std::max<Instant_ns>(until_ns, 1);
}

bool Reactor::Impl::still_spins(Instant_ns now_ns) noexcept {
  if (idle_since_ns == 0) idle_since_ns = now_ns;
  return now_ns - idle_since_ns < to_ns(options.spin_for);
}

// Something came for a reactor that is about to sleep.
inline bool Reactor::Impl::slept_on() noexcept {
  if (arrivals.has_mail() || stages.has_mail() || posts.has_mail() ||
      stop_requested.load(std::memory_order_relaxed) != stopping)
    return true;
  bool waiting = false;
  const auto look_only = [&waiting](const OutboxView&) noexcept {
    waiting = true;
    return ReadVerdict::keep;
  };
  for (std::size_t i = 0; i < outbox_count && !waiting; ++i) {
    outboxes[i].outbox->read_batch(look_only, 1);
  }
  return waiting;
}

void Reactor::Impl::expire_timers(bool worked) noexcept {
  if (worked) idle_since_ns = 0;
  const bool clock_is_due = options.idle != Idle::spin || counters.turns % kTurnsPerClockRead == 0;
  if (timers.count() == 0 || !clock_is_due) return;
  timers.expire(io->now());
}

// --- The telemetry page. On replay it has no name, but its timer runs, because it ran.

void Reactor::Impl::begin_sampling(bool samples) {
  if (telemetry->is_shared()) sampled.emplace(*telemetry, kQueuesShown_max, kOutboxes_max);
  if (samples) timers.arm(sample_timer, 0);
}

void Reactor::Impl::on_sample(Timer&) noexcept {
  if (user) note_deadline(sample_timer.deadline_ns());
  const Instant_ns now_ns = io->now();
  const Instant_ns deadline_ns = now_ns + TelemetryPage::kSamplePeriod_ns;
  timers.arm(sample_timer, deadline_ns);
  if (user) note_deadline(deadline_ns);
  if (sampled) sample(now_ns);
}

void Reactor::Impl::sample(Instant_ns now_ns) noexcept {
  sampled->begin();
  for (const Slot* slot : open_slots) {
    const MessageQueue* const queue = slot->connection->queue();
    if (queue != nullptr) sampled->see(*queue, slot->attempt->established.label);
  }
  for (std::size_t i = 0; i < outbox_count; ++i) sampled->see(*outboxes[i].outbox, {});
  sampled->end(now_ns);
  if (sampled->is_full_news()) log("the telemetry page is full: not every queue is shown in it");
}

// --- Sending from other threads.

bool Reactor::Impl::drain_outboxes() noexcept {
  std::size_t count = 0;
  for (std::size_t i = 0; i < outboxes_polled; ++i) {
    AttachedOutbox& attached = outboxes[i];
    count += attached.outbox->read_batch(
        [&](const OutboxView& view) noexcept { return send_from(attached, view); },
        kOutboxRecordsPerTurn_max);
  }
  return count != 0;
}

// A record that finds no room stays in front, so that the outbox fills and its writer sees it; one
// that cannot be sent at all is told.
ReadVerdict Reactor::Impl::send_from(AttachedOutbox& attached, const OutboxView& view) noexcept {
  const OutboxHeader header = view.header();
  Slot* slot = find(header.connection, header.epoch);
  const Errc outcome = slot == nullptr ? Errc::connection_unknown
                                       : send_record(*slot->connection, header, view.payload());
  if (outcome == Errc::send_queue_full) return ReadVerdict::keep;
  sent_from(attached, header, outcome);
  return ReadVerdict::next;
}

void Reactor::Impl::sent_from(AttachedOutbox& attached, const OutboxHeader& header,
                              Errc outcome) noexcept {
  ++counters.outbox_records;
  if (outcome != Errc::ok) {
    ++counters.outbox_refused;
    if (attached.on_refused)
      attached.on_refused({header.tag, {header.connection, header.epoch}, outcome});
  } else if (services.latency != nullptr && header.marks.cause_ticks != 0) {
    services.latency->mark(Stage::sent, header.marks.cause_ticks, services.ticks.now());
  }
}

Errc Reactor::Impl::send_record(Connection& connection, const OutboxHeader& header,
                                Bytes payload) noexcept {
  switch (header.kind) {
    case OutboxKind::text: return connection.send(Opcode::text, payload);
    case OutboxKind::binary: return connection.send(Opcode::binary, payload);
    case OutboxKind::ping: return connection.ping(payload);
    case OutboxKind::pong: return connection.pong(payload);
    case OutboxKind::preformatted: return connection.send_frames(payload);
    case OutboxKind::close:
      return connection.close(header.close_code != 0 ? header.close_code : CloseCode::no_status,
                              as_text(payload));
  }
  return Errc::invalid_option;
}

// --- Receiving.

void Reactor::Impl::make_ready(Slot& slot) noexcept {
  if (slot.ready || slot.ending) return;
  slot.ready = true;
  ready_slots.push_back(&slot);
}

bool Reactor::Impl::read_open() noexcept {
  const std::uint64_t bytes_before = counters.bytes_received;
  // By index: a callback may end a connection, which takes the last one's place.
  for (std::size_t i = 0; i < open_slots.size(); ++i) read(*open_slots[i]);
  return counters.bytes_received != bytes_before;
}

bool Reactor::Impl::read_ready() noexcept {
  if (ready_slots.empty()) return false;
  ready_now.swap(ready_slots);
  const std::uint64_t bytes_before = counters.bytes_received;
  for (Slot* slot : ready_now) {
    slot->ready = false;
    if (slot->ending || slot->connection == nullptr || slot->socket == kNoSocket) continue;
    int takes = 0;
    while (takes < kTakesPerTurn_max && read(*slot)) ++takes;
    if (takes == kTakesPerTurn_max && slot->polled) make_ready(*slot);
  }
  ready_now.clear();
  return counters.bytes_received != bytes_before;
}

// One take. True if there may be more at once.
bool Reactor::Impl::read(Slot& slot) noexcept {
  if (slot.ending) return false;
  if (slot.transmits != nullptr) [[unlikely]]
    report_transmits(slot);
  const MutableBytes space = slot.connection->receive_space();
  if (space.empty()) [[unlikely]] {  // reading is withheld: looked at again when that ends
    if (!slot.connection->paused()) attend(*slot.connection);
    slot.reread = true;
    return false;
  }
  return take_burst(slot, space);
}

// Order: take, callbacks and their sends, settle, record (see docs/architecture.md).
bool Reactor::Impl::take_burst(Slot& slot, MutableBytes space) noexcept {
  const bool peek = slot.peek;
  const TakeMode mode = peek ? TakeMode::peek : TakeMode::consume;
  const std::ptrdiff_t taken = slot.transmits == nullptr ? io->take(slot.socket, space, mode)
                                                         : take_stamped(slot, space, mode);
  if (taken <= 0) return no_bytes(slot, taken);
  const auto bytes = static_cast<std::size_t>(taken);
  counters.bytes_received += bytes;
  const bool timed = peek && slot.bursts++ % kBurstsPerTiming == 0;
  const Instant_ns began_ns = timed ? io->now() : 0;
  services.wall_ns = io->wall_ns();
  slot.connection->received(bytes, services.ticks.now(), services.wall_ns);
  slot.connection->process();
  if (peek) settle(slot, bytes);
  services.unrecorded.flush();
  choose_take(slot, bytes, began_ns);
  look(slot);
  // A take that did not fill its space found the end of what was there.
  return !slot.ending && (bytes == space.size() || peek || slot.peer_ended);
}

bool Reactor::Impl::no_bytes(Slot& slot, std::ptrdiff_t result) noexcept {
  if (result == -EAGAIN || result == -EINTR) [[likely]]
    return false;
  services.wall_ns = io->wall_ns();
  if (result == 0) {
    slot.connection->end_of_stream();
  } else {
    const auto error = static_cast<int>(-result);
    slot.connection->transport_lost(Error(Errc::connection_lost, std::strerror(error), error));
  }
  look(slot);
  return false;
}

void Reactor::Impl::settle(Slot& slot, std::size_t bytes) noexcept {
  const std::ptrdiff_t settled = io->settle(slot.socket, bytes);
  if (settled == static_cast<std::ptrdiff_t>(bytes)) [[likely]]
    return;
  // The bytes have been delivered; a second delivery would be worse than an end.
  const int error = settled < 0 ? static_cast<int>(-settled) : EIO;
  slot.connection->transport_lost(connection_lost("received bytes could not be settled", error));
}

void Reactor::Impl::choose_take(Slot& slot, std::size_t bytes, Instant_ns began_ns) noexcept {
  if (began_ns != 0 && io->now() - began_ns > to_ns(options.slow_callback)) [[unlikely]] {
    slot.peek_allowed = false;
    ++counters.peeks_switched_off;
    if (user) note_deadline(began_ns);
  }
  slot.peek = slot.peek_allowed && bytes <= kPeek_bytes_max;
}

// --- With the kernel's stamps.

void Reactor::Impl::begin_stamps(Slot& slot) noexcept {
  if (io->begin_stamps(slot.socket)) {
    slot.transmits = slot.attempt->established.transmits.get();
  } else {
    log(journal != nullptr ? "a journal repeats no stamps of the kernel: there are none"
                           : "the kernel gives no stamps (SO_TIMESTAMPING)");
  }
}

std::ptrdiff_t Reactor::Impl::take_stamped(Slot& slot, MutableBytes space, TakeMode mode) noexcept {
  std::uint64_t kernel_ns = 0;
  const std::ptrdiff_t taken = io->take_stamped(slot.socket, space, mode, kernel_ns);
  if (taken > 0) slot.connection->stamp(kernel_ns);
  return taken;
}

std::ptrdiff_t Reactor::Impl::send_stamped(Slot& slot) noexcept {
  const std::uint64_t sent_ns = io->wall_ns();
  const std::ptrdiff_t sent = io->send(slot.socket, slot.connection->output());
  if (sent > 0) slot.transmits->sent(static_cast<std::size_t>(sent), sent_ns);
  return sent;
}

void Reactor::Impl::report_transmits(Slot& slot) noexcept {
  TransmitStamp stamp;
  while (!slot.transmits->empty() && io->take_transmitted(slot.socket, stamp)) {
    Transmitted news;
    if (slot.transmits->left(stamp.last_byte, stamp.kernel_ns, news))
      slot.connection->on_transmitted(*slot.connection, news);
  }
}

// --- What needs more than its bytes moved.

void Reactor::Impl::attend(Connection& connection) noexcept {
  Slot& slot = slot_of(connection);
  if (slot.attention || slot.ending) return;
  slot.attention = true;
  attention_slots.push_back(&slot);
}

bool Reactor::Impl::look_after() noexcept {
  if (attention_slots.empty()) return false;
  attention_now.swap(attention_slots);
  bool worked = false;
  for (Slot* slot : attention_now) {
    slot->attention = false;
    if (slot->ending || slot->connection == nullptr) continue;
    if (slot->socket == kNoSocket) {  // not open yet; the outcome comes as on_failed
      if (slot->connection->state() == ConnectionState::closed) setup->give_up(slot->dial);
      continue;
    }
    const std::uint64_t before = slot->connection->counters().messages_received;
    look(*slot);
    worked |= slot->ending || slot->connection->counters().messages_received != before;
  }
  attention_now.clear();
  return worked;
}

void Reactor::Impl::look(Slot& slot) noexcept {
  Connection& connection = *slot.connection;
  if (slot.ending) return;
  if (connection.has_backlog()) [[unlikely]] {
    connection.process();
    services.unrecorded.flush();
    if (connection.has_backlog()) attend(connection);
  }
  if (slot.reread && !connection.paused() && !connection.has_backlog()) [[unlikely]]
    read_again(slot);
  if (connection.state() == ConnectionState::open) [[likely]] {
    if (connection.is_finished()) end(slot);
    return;
  }
  if (connection.closing() && !slot.close_deadline.armed()) {
    const Instant_ns deadline_ns = io->now() + slot.attempt->established.close_timeout_ns;
    timers.arm(slot.close_deadline, deadline_ns);
    if (user) note_deadline(deadline_ns);
  }
  if (connection.take_half_close()) io->shutdown_send(slot.socket);
  if (connection.is_finished()) end(slot);
}

// No wake-up is to come for bytes that were there already. Without room, which a large buffer gives
// that comes home, it is tried again each turn.
void Reactor::Impl::read_again(Slot& slot) noexcept {
  if (slot.connection->receive_space().empty()) return attend(*slot.connection);
  slot.reread = false;
  make_ready(slot);
}

void Reactor::Impl::end(Slot& slot) noexcept {
  services.unrecorded.flush();
  if (!slot.connection->finish()) {  // its queue has no room for the news
    attend(*slot.connection);
    return;
  }
  slot.ending = true;
  count_end(*slot.connection);
  timers.cancel(slot.close_deadline);
  Slot* const last = open_slots.back();
  open_slots[slot.open_index] = last;
  last->open_index = slot.open_index;
  open_slots.pop_back();
  choose_forms();
  if (open_slots.empty()) setup->keep_keys_fresh(false);
  release_when_idle(slot);
}

void Reactor::Impl::count_end(const Connection& connection) noexcept {
  const ConnectionEnd& end = connection.how_it_ended();
  ++counters.connections_closed;
  if (!end.clean) ++counters.connections_lost;
  counters.last_close_code = end.code;
  counters.last_error_code = static_cast<std::uint64_t>(end.error);
  counters.messages_received += connection.counters().messages_received;
  counters.messages_sent += connection.counters().messages_sent;
}

// --- Sending.

// A send in a callback of a flush finds it under way and leaves the bytes to it.
void Reactor::Impl::flush(Connection& connection) noexcept {
  Slot& slot = slot_of(connection);
  if (slot.flushing || slot.writable.submitted() || slot.socket == kNoSocket || slot.ending) return;
  slot.flushing = true;
  while (!connection.output().empty()) {
    const std::ptrdiff_t sent =
        slot.transmits == nullptr ? io->send(slot.socket, connection.output()) : send_stamped(slot);
    if (sent > 0) [[likely]] {
      counters.bytes_sent += static_cast<std::size_t>(sent);
      connection.output_consume(static_cast<std::size_t>(sent));
    } else if (sent == -EAGAIN) {
      io->submit_poll(slot.writable, slot.socket, PollFor::writable, false);
      break;
    } else if (sent != -EINTR) {
      const auto error = static_cast<int>(-sent);
      connection.fail_send(connection_lost("send", error));
      break;
    }
  }
  slot.flushing = false;
}

// --- The end.

void Reactor::Impl::begin_stop() noexcept {
  stopping = true;
  if (user) note_stop();
  stop_deadline_ns =
      io->now() + static_cast<Instant_ns>(stop_after_ns.load(std::memory_order_relaxed));
  if (user) note_deadline(stop_deadline_ns);
  while (user ? drain_noted() : drain_outboxes()) {
  }
  setup->request_stop();
  for (Slot* slot : open_slots) static_cast<void>(slot->connection->close(CloseCode::going_away));
}

bool Reactor::Impl::stopped() noexcept {
  if (in_use == 0) {
    outbox_count = outboxes_polled = 0;  // their owners may go before the reactor does
    return true;
  }
  if (io->now() < stop_deadline_ns) return false;
  if (user) note_deadline(stop_deadline_ns);
  for (auto& slot : slots) {
    if (slot->connection != nullptr && !slot->ending && slot->socket != kNoSocket) {
      // One that ended already waits for room in its queue, to say so: nobody reads it any more.
      if (slot->connection->state() == ConnectionState::closed)
        slot->connection->deliver_to(nullptr);
      slot->connection->abort(Errc::aborted);
    }
  }
  return false;
}

// --- With a journal: what came in is noted, or comes from there.

void Reactor::Impl::note_connect(ConnectionId id, std::string_view url) noexcept {
  if (user->begin_call(detail::JournalCall::connect, id, 0, 0, as_bytes(url)))
    user->end_call(Errc::ok);
}

void Reactor::Impl::note_listen(std::string_view host, std::uint16_t asked,
                                std::uint16_t port) noexcept {
  if (user->begin_call(detail::JournalCall::listen, {}, asked, 0, as_bytes(host)))
    user->end_listen(port);
}

Address Reactor::Impl::replay_listen(Address address, Callback<Connection&> on_open) {
  replay_listeners.push_back(on_open);
  const std::string host = address.host();
  if (user->begin_call(detail::JournalCall::listen, {}, address.port(), 0, as_bytes(host)))
    address.set_port(user->end_listen(0));
  return address;
}

// A time that is kept, or that was found to have passed: with an event behind it, it is exact.
void Reactor::Impl::note_deadline(Instant_ns deadline_ns) noexcept {
  if (!journal->begin(detail::JournalEvent::deadline)) return;
  journal->same("deadline", deadline_ns);
  journal->commit();
}

void Reactor::Impl::note_stop() noexcept {
  if (replaying() || !journal->begin(detail::JournalEvent::stop)) return;
  static_cast<void>(journal->given_signed(stop_after_ns.load(std::memory_order_relaxed)));
  journal->commit();
}

void Reactor::Impl::note_stage(std::uint32_t slot, OpenStage stage) noexcept {
  if (replaying() || !journal->begin(detail::JournalEvent::stage)) return;
  static_cast<void>(journal->given(slot));
  static_cast<void>(journal->given(static_cast<std::uint64_t>(stage)));
  journal->commit();
}

void Reactor::Impl::note_arrival(Attempt& attempt) noexcept {
  if (replaying() || !journal->begin(detail::JournalEvent::arrival, detail::arrival_bytes(attempt)))
    return;
  arriving = {};
  static_cast<void>(journal->given(attempt.role == Role::server ? 1 : 0));
  static_cast<void>(journal->given(attempt.id.index));
  static_cast<void>(journal->given(attempt.id.epoch));
  static_cast<void>(journal->given(attempt.listener_number));
  detail::transfer_arrival(*journal, attempt, arriving, options.message_bytes_max);
  journal->commit();
}

void Reactor::Impl::accepted(Connection& connection,
                             const Callback<Connection&>& on_accepted) noexcept {
  if (user) user->begin_callback(detail::JournalCallback::accepted, connection.id());
  if (on_accepted) on_accepted(connection);
  if (user) user->end_callback();
}

// On replay what was posted then runs, and what is posted now does not.
void Reactor::Impl::run_post(const Callback<Reactor&>& call) noexcept {
  if (replaying()) return;
  user->begin_callback(detail::JournalCallback::post, {});
  call(self);
  user->end_callback();
}

bool Reactor::Impl::exchange_news() noexcept {
  return replaying() ? replay_news() : drain_noted();
}

bool Reactor::Impl::drain_noted() noexcept {
  std::size_t count = 0;
  if (replaying()) {
    for (; journal->next() == detail::JournalEvent::outbox; ++count) replay_outbox();
    return count != 0;
  }
  for (std::uint32_t i = 0; i < outbox_count; ++i) {
    count += outboxes[i].outbox->read_batch(
        [&](const OutboxView& view) noexcept { return send_noted(i, view); },
        kOutboxRecordsPerTurn_max);
  }
  return count != 0;
}

namespace {

// All of it is the world's.
void transfer(detail::Journal& journal, OutboxHeader& header) noexcept {
  header.tag = journal.given(header.tag);
  header.connection = static_cast<std::uint32_t>(journal.given(header.connection));
  header.epoch = static_cast<std::uint32_t>(journal.given(header.epoch));
  header.close_code = static_cast<std::uint16_t>(journal.given(header.close_code));
  header.kind = static_cast<OutboxKind>(journal.given(static_cast<std::uint64_t>(header.kind)));
}

}  // namespace

// One that finds no room is no event: it is tried again until it is one.
ReadVerdict Reactor::Impl::send_noted(std::uint32_t outbox, const OutboxView& view) noexcept {
  OutboxHeader header = view.header();
  const detail::Journal::Mark mark = journal->mark();
  const bool noted = journal->begin(detail::JournalEvent::outbox, view.payload().size());
  if (noted) {
    static_cast<void>(journal->given(outbox));
    transfer(*journal, header);
    static_cast<void>(journal->given_block(view.payload()));
    journal->commit();
  }
  Slot* slot = find(header.connection, header.epoch);
  const Errc outcome = slot == nullptr ? Errc::connection_unknown
                                       : send_record(*slot->connection, header, view.payload());
  if (outcome == Errc::send_queue_full) {
    if (noted) journal->take_back(mark);
    return ReadVerdict::keep;
  }
  end_noted(outbox, header, outcome);
  return ReadVerdict::next;
}

void Reactor::Impl::end_noted(std::uint32_t outbox, const OutboxHeader& header,
                              Errc outcome) noexcept {
  if (journal->begin(detail::JournalEvent::outcome)) {
    journal->same("code", static_cast<std::uint64_t>(outcome));
    journal->commit();
  }
  if (outcome != Errc::ok) user->begin_callback(detail::JournalCallback::refused, {});
  AttachedOutbox none;
  sent_from(outbox < outbox_count ? outboxes[outbox] : none, header, outcome);
  if (outcome != Errc::ok) user->end_callback();
}

// --- ... and replayed, at the place in the turn where it came.

bool Reactor::Impl::replay_news() noexcept {
  if (!journal->live()) {
    if (stopping) end_unarrived();
    return false;
  }
  if (journal->next() == detail::JournalEvent::stop) replay_stop();
  bool worked = drain_noted();
  while (journal->next() == detail::JournalEvent::stage) replay_stage();
  for (; journal->next() == detail::JournalEvent::arrival; worked = true) replay_arrival();
  // Before anything was reaped: a post.
  for (; journal->next() == detail::JournalEvent::callback; worked = true) {
    user->begin_callback(detail::JournalCallback::post, {});
    user->end_callback();
  }
  return worked;
}

void Reactor::Impl::replay_stop() noexcept {
  if (!journal->begin(detail::JournalEvent::stop)) return;
  stop_after_ns.store(journal->given_signed(0), std::memory_order_relaxed);
  journal->commit();
  if (stopping) {  // by force: the reactor was destroyed
    stop_deadline_ns = 0;
    return;
  }
  begin_stop();
}

void Reactor::Impl::replay_outbox() noexcept {
  if (!journal->begin(detail::JournalEvent::outbox)) return;
  const auto outbox = static_cast<std::uint32_t>(journal->given(0));
  OutboxHeader header;
  transfer(*journal, header);
  const Bytes payload = journal->given_block({});
  if (header.kind > OutboxKind::close) journal->refuse("kind");
  journal->commit();
  if (!journal->live()) return;
  Slot* slot = find(header.connection, header.epoch);
  const Errc outcome =
      slot == nullptr ? Errc::connection_unknown : send_record(*slot->connection, header, payload);
  end_noted(outbox, header, outcome);
}

void Reactor::Impl::replay_stage() noexcept {
  if (!journal->begin(detail::JournalEvent::stage)) return;
  const std::uint64_t slot = journal->given(0);
  const std::uint64_t stage = journal->given(0);
  Connection* connection = slot < slots.size() ? slots[slot]->connection : nullptr;
  if (connection == nullptr) journal->refuse("slot");
  journal->commit();
  if (journal->live()) connection->on_stage(*connection, static_cast<OpenStage>(stage));
}

void Reactor::Impl::replay_arrival() noexcept {
  if (!journal->begin(detail::JournalEvent::arrival)) return;
  const Role role = journal->given(0) != 0 ? Role::server : Role::client;
  ConnectionId id;
  id.index = static_cast<std::uint32_t>(journal->given(0));
  id.epoch = static_cast<std::uint32_t>(journal->given(0));
  auto attempt = std::make_unique<Attempt>(*setup, role, id);
  const std::uint64_t listener = journal->given(0);
  if (listener < replay_listeners.size()) attempt->on_accepted = replay_listeners[listener];
  arriving = {};
  const bool whole =
      detail::transfer_arrival(*journal, *attempt, arriving, options.message_bytes_max);
  journal->commit();
  if (whole) return take_attempt(*attempt.release());
  attempt->established.socket = kNoSocket;
}

// The journal ended while connections were being opened.
void Reactor::Impl::end_unarrived() noexcept {
  for (auto& slot : slots) {
    if (slot->connection == nullptr || slot->attempt != nullptr || slot->ending) continue;
    auto* attempt = new Attempt(*setup, Role::client, slot->connection->id());
    attempt->failure.error = Errc::reactor_stopping;
    take_attempt(*attempt);
  }
}

// --- The public face.

Result<ConnectionId> Reactor::connect(const ConnectOptions& options,
                                      const ConnectionHandlers& handlers) noexcept {
  return or_memory_exhausted([&] { return impl_->connect(options, handlers); });
}

Result<ConnectionId> Reactor::Impl::connect(const ConnectOptions& connect_options,
                                            const ConnectionHandlers& handlers) {
  if (stopping || stop_requested.load(std::memory_order_relaxed))
    return fail(Errc::reactor_stopping);
  if (auto valid = connect_options.validate(); !valid) return tl::unexpected<Error>(valid.error());
  if (connect_options.limits.message_bytes_max > options.message_bytes_max) {
    return fail(Errc::contradictory_options,
                "message_bytes_max of the connection is above the reactor's");
  }
  auto url = parse_url(connect_options.url);
  if (!url) return tl::unexpected<Error>(url.error());
  if (free_slots.empty())
    return fail(Errc::connections_exhausted, std::to_string(options.connections_max));
  // All that allocates comes first: nothing has been taken or noted if there is no memory for it.
  const std::string noted = user ? url->printable() : std::string();
  std::unique_ptr<Attempt> attempt;  // on a replay what comes of it is in the journal
  if (!replaying()) attempt = std::make_unique<Attempt>(*setup, connect_options, std::move(*url));
  Slot& slot = *take_slot(Role::client);
  add_handlers(*slot.connection, handlers);
  const ConnectionId id = slot.connection->id();
  if (user) note_connect(id, noted);
  if (attempt == nullptr) return id;
  attempt->assign(slot.dial, id);
  setup->post(*attempt.release());
  return id;
}

Result<ConnectionId> Reactor::connect(const Endpoint& endpoint, const ConnectionHandlers& handlers,
                                      std::uint32_t first_address) noexcept {
  Impl& impl = *impl_;
  if (impl.stopping || impl.stop_requested.load(std::memory_order_relaxed))
    return fail(Errc::reactor_stopping);
  if (endpoint.options().limits.message_bytes_max > impl.options.message_bytes_max) {
    return fail(Errc::contradictory_options,
                "message_bytes_max of the connection is above the reactor's");
  }
  if (impl.free_slots.empty()) return fail(Errc::connections_exhausted);
  Slot* slot = impl.take_slot(Role::client);
  impl.add_handlers(*slot->connection, handlers);
  detail::DialRequest& request = slot->dial.request;
  request.endpoint = &endpoint;
  request.id = slot->connection->id();
  request.first_address = first_address;
  if (impl.user) impl.note_connect(request.id, endpoint.printable());
  if (impl.replaying()) return request.id;
  impl.setup->post(request);
  return request.id;
}

Result<Address> Reactor::listen(const ListenOptions& options) noexcept {
  return or_memory_exhausted([&] { return impl_->listen(options); });
}

Result<Address> Reactor::Impl::listen(const ListenOptions& listen_options) {
  if (auto valid = listen_options.validate(); !valid) return tl::unexpected<Error>(valid.error());
  if (listen_options.limits.message_bytes_max > options.message_bytes_max) {
    return fail(Errc::contradictory_options,
                "message_bytes_max of the listener is above the reactor's");
  }
  const auto address = Address::from_literal(listen_options.address, listen_options.port);
  if (!address)
    return fail(Errc::invalid_option,
                "address: \"" + listen_options.address + "\" is not an IP address");
  if (replaying()) return replay_listen(*address, listen_options.on_open);
  // All that allocates comes before the socket.
  const std::string noted = user ? address->host() : std::string();
  auto listener = std::make_unique<detail::Listener>(*setup, listen_options);
  if (listen_options.secure) {
    auto context = TlsContext::server(listen_options.tls);
    if (!context) return tl::unexpected<Error>(context.error());
    listener->tls = std::make_unique<TlsContext>(std::move(*context));
  }
  const auto socket = io->open_listener(*address, listen_options.socket);
  if (!socket) return tl::unexpected<Error>(socket.error());
  listener->socket = *socket;
  listener->number = listeners++;
  const Address bound = io->local_address(*socket);
  setup->post(std::move(listener));
  if (user) note_listen(noted, address->port(), bound.port());
  return bound;
}

Connection* Reactor::find(ConnectionId id) noexcept {
  Slot* slot = id ? impl_->find(id.index, id.epoch) : nullptr;
  return slot != nullptr ? slot->connection : nullptr;
}

Result<void> Reactor::attach(Outbox& outbox, Callback<const OutboxRefusal&> on_refused) {
  if (impl_->outbox_count == kOutboxes_max)
    return fail(Errc::invalid_option, "more outboxes than kOutboxes_max");
  impl_->outboxes[impl_->outbox_count++] = {&outbox, on_refused};
  if (!impl_->user) impl_->outboxes_polled = impl_->outbox_count;
  return {};
}

void Reactor::detach(Outbox& outbox) noexcept {
  for (std::size_t i = 0; i < impl_->outbox_count; ++i) {
    if (impl_->outboxes[i].outbox != &outbox) continue;
    impl_->outboxes[i] = impl_->outboxes[--impl_->outbox_count];
    if (!impl_->user) impl_->outboxes_polled = impl_->outbox_count;
    return;
  }
}

void Reactor::measure_into(LatencyRecorder* latency) noexcept {
  impl_->services.latency = latency;
}
void Reactor::arm(Timer& timer, Instant_ns deadline_ns) noexcept {
  if (!impl_->user) return impl_->timers.arm(timer, deadline_ns);
  detail::JournalUser& user = *impl_->user;
  const std::uint32_t number = user.number_of(timer);
  const bool noted = user.begin_call(detail::JournalCall::arm, {}, number, deadline_ns);
  impl_->timers.arm(timer, deadline_ns);
  if (noted) user.end_call(Errc::ok);
}
void Reactor::cancel(Timer& timer) noexcept {
  const bool noted = impl_->user && timer.armed() &&
                     impl_->user->begin_call(detail::JournalCall::cancel, {}, timer.tag());
  impl_->timers.cancel(timer);
  if (noted) impl_->user->end_call(Errc::ok);
}
Instant_ns Reactor::now_ns() noexcept {
  return impl_->io->now();
}

Result<void> Reactor::run() {
  if (impl_->options.core >= 0) {
    if (auto pinned = pin_to_core(impl_->options.core); !pinned) {
      finish();
      return pinned;
    }
  }
  while (impl_->turn(true)) {
  }
  return {};
}

bool Reactor::poll(bool may_wait) {
  return impl_->turn(may_wait);
}
void Reactor::step_setup(bool may_wait) {
  impl_->setup->step(may_wait);
}

void Reactor::stop(std::chrono::nanoseconds deadline) noexcept {
  impl_->stop_after_ns.store(deadline.count(), std::memory_order_relaxed);
  impl_->stop_requested.store(true, std::memory_order_seq_cst);
  impl_->noticed.store(true, std::memory_order_seq_cst);
  impl_->io->wake();
}

void Reactor::notify_of_stop(StopNotice& notice) noexcept {
  impl_->stop_notices.add(notice);
}

void Reactor::post(Callback<Reactor&> call) noexcept {
  auto* post = new Post{.call = call};
  impl_->posts.post(*post);
  doorbell();
}

void Reactor::doorbell() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (impl_->sleeping.load(std::memory_order_relaxed)) impl_->io->wake();
}

detail::JournalUser& Reactor::journal_user() noexcept {
  return *impl_->user;
}
std::optional<Error> Reactor::journal_error() const noexcept {
  return impl_->own_journal != nullptr ? impl_->own_journal->error() : std::nullopt;
}
const ReactorCounters& Reactor::counters() const noexcept {
  return impl_->counters;
}
std::uint32_t Reactor::connections_open() const noexcept {
  return static_cast<std::uint32_t>(impl_->open_slots.size());
}
const ReactorOptions& Reactor::options() const noexcept {
  return impl_->options;
}
Io& Reactor::io() noexcept {
  return *impl_->io;
}
TelemetryPage& Reactor::telemetry() noexcept {
  return *impl_->telemetry;
}

}  // namespace zenwire
