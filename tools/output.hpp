#pragma once

// Output: standard output, buffered, with its errors noticed. A reader that goes away (`| head`) is
// told apart from a disk that is full.

#include <string>
#include <string_view>

namespace zenwire::tools {

// One thread. Cost of write(): a copy; a system call for each 64 KiB and at flush(). A write waits
// for a slow reader.
class Output {
 public:
  explicit Output(int descriptor = 1) : descriptor_(descriptor) { buffer_.reserve(kBuffer_bytes); }
  ~Output() { flush(); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view text) noexcept;
  void write_line(std::string_view text) noexcept {
    write(text);
    write("\n");
  }
  void flush() noexcept;

  // Nothing more is written after an error.
  [[nodiscard]] bool failed() const noexcept { return error_ != 0; }
  // The reader has gone.
  [[nodiscard]] bool gone() const noexcept;
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  static constexpr std::size_t kBuffer_bytes = std::size_t{64} << 10;

  void write_all(std::string_view text) noexcept;

  int descriptor_;
  int error_ = 0;
  std::string buffer_;
};

}  // namespace zenwire::tools
