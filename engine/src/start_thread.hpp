#pragma once

// start_thread: a std::thread as a value or an error, for its constructor throws where there is no
// thread to be had.

#include <new>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <zenwire/base/error.hpp>

namespace zenwire::detail {

// Errors: system_error, memory_exhausted; `what` names the thread.
template <typename Body>
Result<std::thread> start_thread(std::string_view what, Body&& body) noexcept {
  try {
    return std::thread(std::forward<Body>(body));
  } catch (const std::system_error& error) {
    return fail(Errc::system_error, what, error.code().value());
  } catch (const std::bad_alloc&) {
    return fail(Errc::memory_exhausted, what);
  }
}

}  // namespace zenwire::detail
