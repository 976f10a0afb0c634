#pragma once

// Hook: a function of the user's that is called on rare occasions and may fail: it may throw. What
// it throws ends there and is counted; the engine goes on as if it had returned.
//
// Hooks run on the reactor's thread between two turns' work, so a slow one (a call to a registry
// over the network) delays every connection: hand such work to a thread of your own, as
// examples/redis_discovery.cpp does.

#include <cstdint>

namespace zenwire {

// A function and its context, both borrowed; no allocation.
template <typename... Arguments>
class Hook {
 public:
  using Function = void (*)(void* context, Arguments...);

  constexpr Hook() noexcept = default;
  constexpr Hook(Function function, void* context) noexcept
      : function_(function), context_(context) {}

  constexpr explicit operator bool() const noexcept { return function_ != nullptr; }

  // Nothing when it is empty. A failure is added to `failures`.
  void run(std::uint64_t& failures, Arguments... arguments) const noexcept {
    if (function_ == nullptr) return;
    try {
      function_(context_, arguments...);
    } catch (...) {
      ++failures;
    }
  }

 private:
  Function function_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace zenwire
