#pragma once

// Callback<Arguments...>: a {noexcept function, context} pair, two words, made without allocation
// and trivially copied.
//
// Why not std::function: it may allocate when made, and one owning callable per connection costs 6
// to 10 ns a frame in indirect-branch misses once there are several kinds. Here the kind of the
// call is one function per behaviour; what differs per connection is the context.
//
// Lifetime: the context is borrowed; it must outlive the callback's registration.

#include <type_traits>

#include <zenwire/base/assert.hpp>

namespace zenwire {

template <typename... Arguments>
class Callback {
 public:
  using Function = void (*)(void* context, Arguments...) noexcept;

  constexpr Callback() noexcept = default;
  constexpr Callback(Function function, void* context) noexcept
      : function_(function), context_(context) {}

  // From a lambda without captures: `[](void* context, ...) noexcept { ... }`; the context is null.
  template <typename Lambda>
  requires std::is_empty_v<Lambda> && std::is_convertible_v<Lambda, Function>
  constexpr Callback(Lambda lambda) noexcept
      : function_(lambda) {}  // NOLINT: implicit, so that it reads at the call

  // To a member function: Callback<int>::to<&Book::on_tick>(book).
  template <auto Member, typename Object>
  static constexpr Callback to(Object& object) noexcept {
    static_assert(std::is_nothrow_invocable_v<decltype(Member), Object&, Arguments...>,
                  "a callback runs on the reactor: the member function must be noexcept and take "
                  "these arguments");
    return {[](void* context, Arguments... arguments) noexcept {
              (static_cast<Object*>(context)->*Member)(static_cast<Arguments&&>(arguments)...);
            },
            erase(object)};
  }

  // To a callable that the caller keeps alive.
  template <typename Callable>
  static constexpr Callback to(Callable& callable) noexcept {
    static_assert(
        std::is_nothrow_invocable_v<Callable&, Arguments...>,
        "a callback runs on the reactor: the callable must be noexcept and take these arguments");
    return {[](void* context, Arguments... arguments) noexcept {
              (*static_cast<Callable*>(context))(static_cast<Arguments&&>(arguments)...);
            },
            erase(callable)};
  }

  constexpr explicit operator bool() const noexcept { return function_ != nullptr; }
  constexpr bool operator==(const Callback&) const noexcept = default;

  void operator()(Arguments... arguments) const noexcept {
    ZW_DEBUG_ASSERT(function_ != nullptr);
    function_(context_, static_cast<Arguments&&>(arguments)...);
  }

 private:
  // Constness comes back with the type in the function that uses the pointer.
  template <typename Object>
  static constexpr void* erase(Object& object) noexcept {
    return const_cast<std::remove_const_t<Object>*>(&object);
  }

  Function function_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace zenwire
