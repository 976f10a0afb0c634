#pragma once

// kSanitized: whether this program is built under the address or the thread sanitizer. It runs ten
// times slower there, and is there for what else they see: a test does fewer rounds.

#include <zenwire/base/sanitizers.hpp>

namespace zenwire::test {

inline constexpr bool kSanitized = ZW_ADDRESS_SANITIZER || ZW_THREAD_SANITIZER;

}  // namespace zenwire::test
