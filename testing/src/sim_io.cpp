#include "sim_io.hpp"

#include <algorithm>
#include <cerrno>

namespace zenwire::testing::detail {
namespace {

// poll's bits, which are the kernel's and so part of the seam.
constexpr std::int32_t kReadable = 0x2001;  // POLLIN | POLLRDHUP
constexpr std::int32_t kWritable = 0x0004;  // POLLOUT
// 2026-01-01 in nanoseconds since 1970.
constexpr std::uint64_t kWallStart_ns = 1'767'225'600'000'000'000;
constexpr Instant_ns kReap_ns = 100;
// Waits in a row that could not end are a deadlock of whatever waits.
constexpr std::uint32_t kIdleWaits_max = 10'000;

}  // namespace

SimIo::SimIo(SimNetwork& network) : network_(network), random_(network.random().split()) {
  network_.ios.push_back(this);
}

SimIo::~SimIo() {
  network_.forget(*this);
  for (const SimOutcome& waiting : outcomes_) waiting.completion->abandon();
  for (const SimOperation& waiting : submitted_) {
    if (waiting.kind != SimOperation::Kind::cancel) waiting.completion->abandon();
  }
  std::erase(network_.ios, this);
}

// --- Submissions.

void SimIo::submit(SimOperation operation) noexcept {
  operation.io = this;
  operation.serial = network_.next_serial();
  operation.fails = network_.fails();
  if (operation.kind != SimOperation::Kind::cancel) operation.completion->mark_submitted();
  submitted_.push_back(std::move(operation));
}

void SimIo::submit_connect(Completion& completion, Socket socket, const Address& address) noexcept {
  submit({.kind = SimOperation::Kind::connect,
          .completion = &completion,
          .socket = socket,
          .address = address});
}

void SimIo::submit_accept(Completion& completion, Socket listener) noexcept {
  submit({.kind = SimOperation::Kind::accept,
          .completion = &completion,
          .socket = listener,
          .multishot = true});
}

void SimIo::submit_poll(Completion& completion, Socket socket, PollFor what,
                        bool multishot) noexcept {
  submit({.kind = SimOperation::Kind::poll,
          .completion = &completion,
          .socket = socket,
          .mask = what == PollFor::readable ? kReadable : kWritable,
          .multishot = multishot});
}

void SimIo::submit_resolve(Completion& completion, ResolveRequest& request) noexcept {
  submit({.kind = SimOperation::Kind::resolve, .completion = &completion, .request = &request});
}

void SimIo::submit_cancel(Completion& target) noexcept {
  if (!target.submitted()) return;
  submit({.kind = SimOperation::Kind::cancel, .completion = &target});
}

// --- Reaping.

void SimIo::enter() noexcept {
  std::vector<SimOperation> starting;
  starting.swap(submitted_);
  for (SimOperation& operation : starting) network_.start(std::move(operation));
}

std::size_t SimIo::reap(std::span<Reaped> out, Instant_ns wait_until_ns) noexcept {
  ZW_ASSERT(!out.empty());
  network_.pass(kReap_ns);
  enter();
  network_.run_events();
  if (wait_until_ns != 0 && next_outcome_ns() > network_.now_ns()) wait(wait_until_ns);
  wait_until_ns_ = awake_.exchange(false, std::memory_order_acquire) ? 0 : wait_until_ns;
  const bool overflows = network_.chance(network_.faults.overflow);
  if (overflows) overflow();
  const std::size_t room = overflows ? 1 : out.size();
  std::size_t count = 0;
  while (count < room) {
    const std::size_t index = choose();
    if (index == outcomes_.size()) break;
    out[count++] = {outcomes_[index].completion, outcomes_[index].outcome};
    network_.note("outcome", outcomes_[index].outcome.result, outcomes_[index].outcome.more);
    outcomes_.erase(outcomes_.begin() + static_cast<std::ptrdiff_t>(index));
    ++network_.activity;
  }
  return count;
}

void SimIo::gather(Instant_ns until_ns) noexcept {
  enter();
  if (until_ns > network_.now_ns()) network_.pass(until_ns - network_.now_ns());
}

// A step of the world notes what is waited for and goes on when everybody has had a turn. Without
// one, as when a reactor is destroyed, nobody else acts: time passes here.
void SimIo::wait(Instant_ns wait_until_ns) noexcept {
  if (network_.stepping) return;
  while (!awake_.load(std::memory_order_acquire) && next_outcome_ns() > network_.now_ns()) {
    const Instant_ns next_ns = std::min(network_.next_event_ns(), next_outcome_ns());
    const Instant_ns until_ns = std::min(next_ns, wait_until_ns);
    if (until_ns == kNever_ns) {
      // Whatever is waited for cannot come: better to say so than to hang.
      ZW_ASSERT(++idle_waits_ < kIdleWaits_max);
      return;
    }
    idle_waits_ = 0;
    if (until_ns > network_.now_ns()) network_.pass(until_ns - network_.now_ns());
    network_.run_events();
    if (network_.now_ns() >= wait_until_ns) return;
  }
}

Instant_ns SimIo::next_outcome_ns() const noexcept {
  Instant_ns earliest_ns = kNever_ns;
  for (const SimOutcome& waiting : outcomes_) earliest_ns = std::min(earliest_ns, waiting.ready_ns);
  return earliest_ns;
}

Instant_ns SimIo::wants_ns() const noexcept {
  if (!submitted_.empty() || awake_.load(std::memory_order_relaxed)) return 0;
  return std::min(wait_until_ns_, next_outcome_ns());
}

bool SimIo::is_first(std::size_t index) const noexcept {
  for (std::size_t i = 0; i < index; ++i) {
    if (outcomes_[i].completion == outcomes_[index].completion) return false;
  }
  return true;
}

// Of those that are ready, each completion's own in their order.
std::size_t SimIo::choose() noexcept {
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    if (outcomes_[i].ready_ns <= network_.now_ns() && is_first(i)) ready.push_back(i);
  }
  if (ready.empty()) return outcomes_.size();
  return network_.chance(network_.faults.reorder) ? ready[random_.below(ready.size())] : ready[0];
}

// The kernel keeps what did not fit, but ends the multishot operations that it belonged to.
void SimIo::overflow() noexcept {
  for (std::size_t i = outcomes_.size(); i-- > 1;) {
    SimOutcome& last = outcomes_[i];
    if (!last.outcome.more) continue;
    const auto later =
        std::find_if(outcomes_.begin() + static_cast<std::ptrdiff_t>(i) + 1, outcomes_.end(),
                     [&](const SimOutcome& other) { return other.completion == last.completion; });
    if (later != outcomes_.end()) continue;
    last.outcome.more = false;
    std::erase_if(network_.operations, [&](const SimOperation& operation) {
      return operation.completion == last.completion;
    });
  }
}

void SimIo::push(Completion& completion, Outcome outcome, Instant_ns ready_ns) {
  outcomes_.push_back({&completion, outcome, ready_ns});
}

SimOutcome* SimIo::waiting(const Completion& completion) noexcept {
  for (SimOutcome& waiting : outcomes_) {
    if (waiting.completion == &completion && waiting.outcome.more) return &waiting;
  }
  return nullptr;
}

// --- Direct calls.

std::ptrdiff_t SimIo::take(Socket socket, MutableBytes into, TakeMode mode) noexcept {
  ZW_ASSERT(!into.empty());
  return network_.take(socket, into, mode);
}
std::ptrdiff_t SimIo::settle(Socket socket, std::size_t bytes) noexcept {
  return network_.settle(socket, bytes);
}
std::ptrdiff_t SimIo::send(Socket socket, Bytes bytes) noexcept {
  ZW_ASSERT(!bytes.empty());
  return network_.send(socket, bytes);
}

// --- Sockets.

Result<Socket> SimIo::open_socket(const Address& remote, const Address* local,
                                  const SocketOptions& options) noexcept {
  ZW_ASSERT(!remote.empty());
  return network_.open_socket(remote, local, options);
}
Result<Socket> SimIo::open_listener(const Address& address, const SocketOptions& options) noexcept {
  ZW_ASSERT(!address.empty());
  return network_.open_listener(address, options);
}
void SimIo::configure(Socket socket, const SocketOptions& options) noexcept {
  if (SimSocket* found = network_.find(socket)) found->options = options;
}
void SimIo::shutdown_send(Socket socket) noexcept {
  network_.shutdown_send(socket);
}
void SimIo::close(Socket socket) noexcept {
  network_.close(socket);
}
Address SimIo::local_address(Socket socket) const noexcept {
  const SimSocket* found = network_.find(socket);
  return found != nullptr ? found->local : Address{};
}
Address SimIo::remote_address(Socket socket) const noexcept {
  const SimSocket* found = network_.find(socket);
  return found != nullptr ? found->remote : Address{};
}

std::uint64_t SimIo::wall_ns() noexcept {
  return kWallStart_ns + network_.now_ns();
}
void SimIo::random(MutableBytes bytes) noexcept {
  random_.fill(bytes);
}

}  // namespace zenwire::testing::detail
