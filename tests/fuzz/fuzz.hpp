#pragma once

// What the fuzz programs share. A broken promise aborts, which libFuzzer reports with the input
// that broke it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <zenwire/base/bytes.hpp>

namespace zenwire::test {

inline void require(bool kept) {
  if (!kept) std::abort();
}

// Takes small choices from the front of an input and leaves the rest as its data.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t bytes)
      : bytes_{reinterpret_cast<const std::byte*>(data), bytes} {}

  unsigned choose() {
    if (bytes_.empty()) return 0;
    const auto value = std::to_integer<unsigned>(bytes_.front());
    bytes_ = bytes_.subspan(1);
    return value;
  }
  [[nodiscard]] Bytes rest() const { return bytes_; }

 private:
  Bytes bytes_;
};

// Memory of exactly this size on the heap, so that the address sanitizer sees one byte more.
inline std::unique_ptr<std::byte[]> exact_memory(std::size_t bytes) {
  return std::make_unique<std::byte[]>(bytes);
}

}  // namespace zenwire::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes);
