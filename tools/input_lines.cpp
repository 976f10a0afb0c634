#include "input_lines.hpp"

#include <array>
#include <cerrno>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>

namespace zenwire::tools {

namespace {
constexpr Instant_ns kLineRetry_ns = 1'000'000;
constexpr std::size_t kRead_bytes = std::size_t{64} << 10;
}  // namespace

InputLines::InputLines(Reactor& reactor, Receiver receiver, std::size_t line_bytes_max)
    : reactor_(reactor),
      receiver_(receiver),
      line_bytes_max_(line_bytes_max),
      end_(::eventfd(0, EFD_CLOEXEC)) {
  ZW_ASSERT(end_ >= 0);
}

InputLines::~InputLines() {
  ZW_ASSERT(!thread_.joinable());
  ::close(end_);
}

void InputLines::stop() noexcept {
  reactor_.cancel(retry_);
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  ZW_ASSERT(::write(end_, &one, sizeof one) == sizeof one);
  taken_.release();
  thread_.join();
}

void InputLines::start() {
  ZW_ASSERT(!thread_.joinable());
  thread_ = std::thread([this] { read_all(); });
}

// --- The reader's thread.

bool InputLines::wait_readable() noexcept {
  std::array<pollfd, 2> ready{{{STDIN_FILENO, POLLIN, 0}, {end_, POLLIN, 0}}};
  while (::poll(ready.data(), ready.size(), -1) < 0) ZW_ASSERT(errno == EINTR);
  return ready[1].revents == 0;
}

void InputLines::read_all() noexcept {
  std::vector<char> buffer(kRead_bytes);
  while (wait_readable()) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    last_ = count <= 0;
    if (count > 0) split({buffer.data(), static_cast<std::size_t>(count)});
    if (last_ && !partial_.empty()) lines_.push_back(std::move(partial_));
    if ((last_ || !lines_.empty()) && !hand_over()) return;
    if (last_) return;
  }
}

void InputLines::split(std::string_view bytes) {
  for (auto end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
    partial_.append(bytes.substr(0, end));
    lines_.push_back(std::move(partial_));
    partial_.clear();
    bytes.remove_prefix(end + 1);
  }
  partial_.append(bytes);
  if (partial_.size() <= line_bytes_max_) return;
  too_long_ = last_ = true;
  partial_.clear();
}

// False: the command is over.
bool InputLines::hand_over() noexcept {
  reactor_.post(Callback<Reactor&>::to<&InputLines::on_batch>(*this));
  taken_.acquire();
  lines_.clear();
  pollfd over{end_, POLLIN, 0};
  return ::poll(&over, 1, 0) == 0;
}

// --- The reactor's.

void InputLines::on_batch(Reactor&) noexcept {
  next_ = 0;
  offering_ = true;
  offer();
}

void InputLines::offer() noexcept {
  if (!offering_) return;
  while (next_ < lines_.size()) {
    if (!receiver_.take(receiver_.context, lines_[next_])) {
      reactor_.arm(retry_, reactor_.now_ns() + kLineRetry_ns);
      return;
    }
    ++next_;
  }
  offering_ = false;
  reactor_.cancel(retry_);
  if (last_) receiver_.end(receiver_.context);
  taken_.release();
}

}  // namespace zenwire::tools
