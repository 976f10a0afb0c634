#include "output.hpp"

#include <cerrno>

#include <poll.h>
#include <unistd.h>

namespace zenwire::tools {

bool Output::gone() const noexcept {
  return error_ == EPIPE;
}

void Output::write(std::string_view text) noexcept {
  if (text.size() > kBuffer_bytes - buffer_.size()) flush();
  if (text.size() > kBuffer_bytes) {
    write_all(text);
  } else {
    buffer_.append(text);
  }
}

void Output::flush() noexcept {
  write_all(buffer_);
  buffer_.clear();
}

void Output::write_all(std::string_view text) noexcept {
  while (!text.empty() && error_ == 0) {
    const ssize_t written = ::write(descriptor_, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // inherited non-blocking from a shell pipeline
      pollfd ready{descriptor_, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
}

}  // namespace zenwire::tools
