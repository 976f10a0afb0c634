#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/uring_io.hpp>

#include "clock.hpp"
#include "resolver.hpp"
#include "stamped_receive.hpp"

namespace zenwire {
namespace {

constexpr unsigned kRingFlags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED |
                                IORING_SETUP_CQSIZE;
constexpr unsigned kCompletionsPerSubmission = 4;
static_assert(kPollEnded == (POLLRDHUP | POLLHUP | POLLERR));

std::ptrdiff_t result_or_errno(ssize_t result) noexcept {
  return result >= 0 ? result : -errno;
}

// kernel.io_uring_disabled: 0 open, 1 for a group only, 2 closed; -1 where the kernel is older than
// the switch.
int ring_sysctl() noexcept {
  std::FILE* file = std::fopen("/proc/sys/kernel/io_uring_disabled", "re");
  if (file == nullptr) return -1;
  int value = -1;
  const int fields = std::fscanf(file, "%d", &value);
  std::fclose(file);
  return fields == 1 ? value : -1;
}

bool kernel_is_at_least(unsigned major, unsigned minor) noexcept {
  utsname system{};
  unsigned running_major = 0;
  unsigned running_minor = 0;
  ::uname(&system);
  if (std::sscanf(system.release, "%u.%u", &running_major, &running_minor) != 2) return false;
  return running_major > major || (running_major == major && running_minor >= minor);
}

// Why a ring cannot be made. EPERM has two sources, and a person mends them in different places.
Error ring_error(int error) {
  const int sysctl = ring_sysctl();
  const std::string text = "io_uring_setup: " + std::string(std::strerror(error));
  if (error == EPERM && sysctl > 0) {
    return {Errc::ring_refused_by_sysctl, "kernel.io_uring_disabled is " + std::to_string(sysctl),
            error};
  }
  const bool known_to_kernel = kernel_is_at_least(6, 1);
  if (error == EPERM || error == EACCES || (error == ENOSYS && known_to_kernel)) {
    return {Errc::ring_refused_by_seccomp, text, error};
  }
  if (error == ENOSYS || (error == EINVAL && !known_to_kernel))
    return {Errc::ring_not_supported, text, error};
  return {Errc::ring_failed, text, error};
}

template <typename Value>
int set_option(int fd, int level, int option, Value value) noexcept {
  return ::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

struct UringIo::Impl {
  io_uring ring{};
  bool ring_made = false;
  bool enabled = false;
  int wake_fd = -1;
  std::uint32_t features = 0;
  Completion wake_poll{[](void*, Outcome) noexcept {}, nullptr};
  std::unique_ptr<detail::Resolver> resolver;

  ~Impl();
  io_uring_sqe& next_entry() noexcept;
  void prepare_wake() noexcept;
  void enable() noexcept;
  [[nodiscard]] bool kernel_has_work() const noexcept;
  std::size_t copy_out(std::span<Reaped> out) noexcept;
  void enter(Instant_ns wait_until_ns, Instant_ns now_ns) noexcept;
  void wait_for(unsigned completions, Instant_ns duration_ns) noexcept;
};

UringIo::Impl::~Impl() {
  resolver.reset();
  wake_poll.abandon();
  if (ring_made) io_uring_queue_exit(&ring);
  if (wake_fd >= 0) ::close(wake_fd);
}

UringIo::UringIo(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
UringIo::~UringIo() = default;

Result<std::unique_ptr<UringIo>> UringIo::create(const UringOptions& options) {
  ZW_ASSERT(options.entries > 0);
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<UringIo>> {
    auto impl = std::make_unique<Impl>();
    io_uring_params parameters{};
    parameters.flags = kRingFlags;
    parameters.cq_entries = options.entries * kCompletionsPerSubmission;
    const int made = io_uring_queue_init_params(options.entries, &impl->ring, &parameters);
    if (made < 0) return tl::unexpected<Error>(ring_error(-made));
    impl->ring_made = true;
    impl->features = parameters.features;
    impl->wake_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (impl->wake_fd < 0)
      return fail(Errc::system_error, std::string("eventfd: ") + std::strerror(errno), errno);
    impl->resolver = std::make_unique<detail::Resolver>(impl->wake_fd);
    impl->prepare_wake();
    return std::unique_ptr<UringIo>(new UringIo(std::move(impl)));
  });
}

RingReport UringIo::report() const noexcept {
  RingReport report;
  report.features = impl_->features;
  report.single_issuer = (impl_->ring.flags & IORING_SETUP_SINGLE_ISSUER) != 0;
  report.defer_taskrun = (impl_->ring.flags & IORING_SETUP_DEFER_TASKRUN) != 0;
  report.taskrun_flag = (impl_->ring.flags & IORING_SETUP_TASKRUN_FLAG) != 0;
  io_uring_probe* probe = io_uring_get_probe();
  if (probe == nullptr) return report;
  for (int operation = 0; operation <= probe->last_op; ++operation) {
    report.operations += io_uring_opcode_supported(probe, operation) != 0 ? 1u : 0u;
  }
  io_uring_free_probe(probe);
  return report;
}

// --- Submissions.

// A full submission queue is entered to make room; the kernel takes all of it or says why, and
// neither can fail for entries that we prepared.
io_uring_sqe& UringIo::Impl::next_entry() noexcept {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  if (entry == nullptr) [[unlikely]] {
    enable();
    const int submitted = io_uring_submit(&ring);
    ZW_ASSERT(submitted > 0);
    entry = io_uring_get_sqe(&ring);
  }
  ZW_ASSERT(entry != nullptr);
  return *entry;
}

void UringIo::Impl::prepare_wake() noexcept {
  io_uring_sqe& entry = next_entry();
  io_uring_prep_poll_multishot(&entry, wake_fd, POLLIN);
  io_uring_sqe_set_data(&entry, &wake_poll);
  wake_poll.mark_submitted();
}

// Binds the ring to this thread: SINGLE_ISSUER takes the thread that enables it.
void UringIo::Impl::enable() noexcept {
  if (enabled) return;
  // liburing 2.3 declares io_uring_enable_rings, but its library lacks it.
  const long result =
      ::syscall(__NR_io_uring_register, ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  ZW_ASSERT(result == 0);
  enabled = true;
}

void UringIo::submit_connect(Completion& completion, Socket socket,
                             const Address& address) noexcept {
  // The kernel copies the address when the entry is submitted, so the owner must keep it until
  // then: it lives in the dialer's attempt, which outlives the completion.
  io_uring_sqe& entry = impl_->next_entry();
  io_uring_prep_connect(&entry, socket, static_cast<const sockaddr*>(address.data()),
                        static_cast<socklen_t>(address.size_bytes()));
  io_uring_sqe_set_data(&entry, &completion);
  completion.mark_submitted();
}

void UringIo::submit_accept(Completion& completion, Socket listener) noexcept {
  io_uring_sqe& entry = impl_->next_entry();
  io_uring_prep_multishot_accept(&entry, listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  io_uring_sqe_set_data(&entry, &completion);
  completion.mark_submitted();
}

void UringIo::submit_poll(Completion& completion, Socket socket, PollFor what,
                          bool multishot) noexcept {
  io_uring_sqe& entry = impl_->next_entry();
  const unsigned mask = what == PollFor::readable ? POLLIN | POLLRDHUP : POLLOUT;
  if (multishot) {
    io_uring_prep_poll_multishot(&entry, socket, mask);
  } else {
    io_uring_prep_poll_add(&entry, socket, mask);
  }
  io_uring_sqe_set_data(&entry, &completion);
  completion.mark_submitted();
}

void UringIo::submit_resolve(Completion& completion, ResolveRequest& request) noexcept {
  impl_->resolver->ask(completion, request);
}

void UringIo::submit_cancel(Completion& target) noexcept {
  if (!target.submitted() || impl_->resolver->cancel(target)) return;
  io_uring_sqe& entry = impl_->next_entry();
  io_uring_prep_cancel(&entry, &target, 0);
  io_uring_sqe_set_data(&entry,
                        nullptr);  // its own outcome is of no interest: the target's says all
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
}

// --- Reaping.

bool UringIo::Impl::kernel_has_work() const noexcept {
  const unsigned flags = __atomic_load_n(ring.sq.kflags, __ATOMIC_RELAXED);
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0 ||
         io_uring_sq_ready(&ring) != 0;
}

void UringIo::Impl::enter(Instant_ns wait_until_ns, Instant_ns now_ns) noexcept {
  enable();
  if (wait_until_ns == 0 || (wait_until_ns != kNever_ns && wait_until_ns <= now_ns)) {
    io_uring_submit_and_get_events(&ring);
    return;
  }
  if (wait_until_ns == kNever_ns) {
    io_uring_submit_and_wait(&ring, 1);
    return;
  }
  wait_for(1, wait_until_ns - now_ns);
}

void UringIo::Impl::wait_for(unsigned completions, Instant_ns duration_ns) noexcept {
  io_uring_cqe* ignored = nullptr;
  __kernel_timespec time{static_cast<long long>(duration_ns / 1'000'000'000),
                         static_cast<long long>(duration_ns % 1'000'000'000)};
  io_uring_submit_and_wait_timeout(&ring, &ignored, completions, &time, nullptr);
}

inline std::size_t UringIo::Impl::copy_out(std::span<Reaped> out) noexcept {
  std::size_t count = 0;
  unsigned seen = 0;
  unsigned head = 0;
  io_uring_cqe* entry = nullptr;
  io_uring_for_each_cqe(&ring, head, entry) {
    if (count == out.size()) break;
    ++seen;
    auto* completion = static_cast<Completion*>(io_uring_cqe_get_data(entry));
    const bool more = (entry->flags & IORING_CQE_F_MORE) != 0;
    if (completion == &wake_poll) {
      eventfd_t drained = 0;
      ::eventfd_read(wake_fd, &drained);
      if (!more) {
        wake_poll.complete({entry->res, false});
        prepare_wake();
      }
    } else if (completion != nullptr) {
      out[count++] = {completion, {entry->res, more}};
    }
  }
  if (seen != 0) io_uring_cq_advance(&ring, seen);
  return count;
}

std::size_t UringIo::reap(std::span<Reaped> out, Instant_ns wait_until_ns) noexcept {
  ZW_ASSERT(!out.empty());
  std::size_t count = impl_->resolver->asking() ? impl_->resolver->take(out) : 0;
  const bool ready = io_uring_cq_ready(&impl_->ring) != 0;
  const bool wait = wait_until_ns != 0 && count == 0 && !ready;
  if (wait) {
    impl_->enter(wait_until_ns, wait_until_ns == kNever_ns ? 0 : now());
    if (impl_->resolver->asking()) count = impl_->resolver->take(out);
  } else if (impl_->kernel_has_work()) {
    impl_->enter(0, 0);
  } else if (!ready) {
    return count;
  }
  return count + (count < out.size() ? impl_->copy_out(out.subspan(count)) : 0);
}

// For more completions than ever come in that time; for as many as the queue holds at most, so that
// none is held back.
void UringIo::gather(Instant_ns until_ns) noexcept {
  const Instant_ns now_ns = now();
  if (until_ns <= now_ns) return;
  impl_->enable();
  impl_->wait_for(impl_->ring.cq.ring_entries, until_ns - now_ns);
}

void UringIo::wake() noexcept {
  // EAGAIN means that the counter is full of wake-ups that have not been seen: it is awake already.
  [[maybe_unused]] const int result = ::eventfd_write(impl_->wake_fd, 1);
}

// --- Direct calls.

std::ptrdiff_t UringIo::take(Socket socket, MutableBytes into, TakeMode mode) noexcept {
  ZW_ASSERT(!into.empty());
  const int flags = mode == TakeMode::peek ? MSG_DONTWAIT | MSG_PEEK : MSG_DONTWAIT;
  return result_or_errno(::recv(socket, into.data(), into.size(), flags));
}

// Past libc's recv, because the sanitizers' interceptors take the absent buffer for one that was
// written.
std::ptrdiff_t UringIo::settle(Socket socket, std::size_t bytes) noexcept {
  return result_or_errno(
      ::syscall(__NR_recvfrom, socket, nullptr, bytes, MSG_DONTWAIT | MSG_TRUNC, nullptr, nullptr));
}

std::ptrdiff_t UringIo::send(Socket socket, Bytes bytes) noexcept {
  ZW_ASSERT(!bytes.empty());
  return result_or_errno(::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

// --- The kernel's time stamps.

bool UringIo::begin_stamps(Socket socket) noexcept {
  constexpr int kFromNextByte = 1 << 16;  // SOF_TIMESTAMPING_OPT_ID_TCP, since Linux 6.2
  constexpr int kStamps = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
                          SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                          SOF_TIMESTAMPING_OPT_TSONLY;
  // Before 6.2 bytes are numbered from the first that is not acknowledged, which for a client is
  // the same: its request has been answered.
  return set_option(socket, SOL_SOCKET, SO_TIMESTAMPING, kStamps | kFromNextByte) == 0 ||
         set_option(socket, SOL_SOCKET, SO_TIMESTAMPING, kStamps) == 0;
}

std::ptrdiff_t UringIo::take_stamped(Socket socket, MutableBytes into, TakeMode mode,
                                     std::uint64_t& kernel_ns) noexcept {
  ZW_ASSERT(!into.empty());
  detail::StampedReceive receive(into);
  const int flags = mode == TakeMode::peek ? MSG_DONTWAIT | MSG_PEEK : MSG_DONTWAIT;
  const std::ptrdiff_t taken = result_or_errno(::recvmsg(socket, receive.header(), flags));
  kernel_ns = taken > 0 ? receive.kernel_ns() : 0;
  return taken;
}

bool UringIo::take_transmitted(Socket socket, TransmitStamp& stamp) noexcept {
  detail::StampedReceive receive({});
  if (::recvmsg(socket, receive.header(), MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return false;
  stamp.kernel_ns = receive.kernel_ns();
  stamp.last_byte = receive.last_byte();
  return true;
}

// --- Sockets.

void UringIo::configure(Socket socket, const SocketOptions& options) noexcept {
  // A kernel may refuse a size or BUSY_POLL without privilege; the connection works without, so
  // that is no error. `doctor` reports what was asked and not given.
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, options.nodelay ? 1 : 0);
  if (options.quickack) set_option(socket, IPPROTO_TCP, TCP_QUICKACK, 1);
  if (options.receive_buffer_bytes != 0) {
    set_option(socket, SOL_SOCKET, SO_RCVBUF, static_cast<int>(options.receive_buffer_bytes));
  }
  if (options.send_buffer_bytes != 0) {
    set_option(socket, SOL_SOCKET, SO_SNDBUF, static_cast<int>(options.send_buffer_bytes));
  }
  if (options.busy_poll_us != 0)
    set_option(socket, SOL_SOCKET, SO_BUSY_POLL, static_cast<int>(options.busy_poll_us));
  if (!options.congestion_control.empty()) {
    ::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, options.congestion_control.data(),
                 static_cast<socklen_t>(options.congestion_control.size()));
  }
}

Result<Socket> UringIo::open_socket(const Address& remote, const Address* local,
                                    const SocketOptions& options) noexcept {
  ZW_ASSERT(!remote.empty());
  const int family = remote.is_ipv6() ? AF_INET6 : AF_INET;
  const int socket = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (socket < 0)
    return fail(Errc::system_error, std::string("socket: ") + std::strerror(errno), errno);
  configure(socket, options);
  if (local == nullptr || local->empty()) return socket;
  if (::bind(socket, static_cast<const sockaddr*>(local->data()),
             static_cast<socklen_t>(local->size_bytes())) == 0) {
    return socket;
  }
  const int error = errno;
  ::close(socket);
  return fail(Errc::connect_failed, "local address " + local->text() + ": " + std::strerror(error),
              error);
}

Result<Socket> UringIo::open_listener(const Address& address,
                                      const SocketOptions& options) noexcept {
  ZW_ASSERT(!address.empty());
  const int family = address.is_ipv6() ? AF_INET6 : AF_INET;
  const int socket = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (socket < 0)
    return fail(Errc::system_error, std::string("socket: ") + std::strerror(errno), errno);
  configure(socket, options);
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  const bool bound = ::bind(socket, static_cast<const sockaddr*>(address.data()),
                            static_cast<socklen_t>(address.size_bytes())) == 0;
  if (bound && ::listen(socket, SOMAXCONN) == 0) return socket;
  const int error = errno;
  ::close(socket);
  const Errc code = error == EADDRINUSE ? Errc::address_in_use : Errc::listen_failed;
  return fail(code, address.text() + ": " + std::strerror(error), error);
}

void UringIo::shutdown_send(Socket socket) noexcept {
  ::shutdown(socket, SHUT_WR);
}

void UringIo::close(Socket socket) noexcept {
  ZW_ASSERT(socket >= 0);
  ::close(socket);
}

Address UringIo::local_address(Socket socket) const noexcept {
  sockaddr_storage storage{};
  socklen_t bytes = sizeof storage;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &bytes) != 0) return {};
  return Address::from_system(&storage, bytes);
}

Address UringIo::remote_address(Socket socket) const noexcept {
  sockaddr_storage storage{};
  socklen_t bytes = sizeof storage;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &bytes) != 0) return {};
  return Address::from_system(&storage, bytes);
}

// --- Time and chance.

Instant_ns UringIo::now() noexcept {
  return detail::clock_ns(CLOCK_MONOTONIC);
}
std::uint64_t UringIo::wall_ns() noexcept {
  return detail::clock_ns(CLOCK_REALTIME);
}

void UringIo::random(MutableBytes bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t filled = ::getrandom(bytes.data(), bytes.size(), 0);
    ZW_ASSERT(filled > 0 ||
              errno == EINTR);  // without randomness there are no masking keys: nothing can go on
    if (filled > 0) bytes = bytes.subspan(static_cast<std::size_t>(filled));
  }
}

}  // namespace zenwire
