#pragma once

// The fuzzer's own frames and deflate: nothing of the product's codec, so that a mistake there is
// not made here as well.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

#include "script.hpp"

namespace zenwire::test {

enum class FuzzerRole { client, server };

// The bytes of a frame; a client masks with the key.
std::string encode(const Frame& frame, FuzzerRole role, std::uint32_t key);
inline constexpr std::size_t kHeaderBytesMax = 14;

// What is agreed of permessage-deflate.
struct DeflateAgreement {
  int client_window_bits = 15;
  int server_window_bits = 15;
  bool client_no_context_takeover = false;
  bool server_no_context_takeover = false;
};

// zlib in both directions, in the windows that were agreed: a peer that reaches back further (by
// more than 32 bytes, which zlib does not tell) is found out.
class FuzzerDeflate {
 public:
  FuzzerDeflate(const DeflateAgreement& agreed, FuzzerRole role);
  ~FuzzerDeflate();
  FuzzerDeflate(const FuzzerDeflate&) = delete;
  FuzzerDeflate& operator=(const FuzzerDeflate&) = delete;

  std::string compress(std::string_view message);
  // Nothing if it is not deflate data.
  std::optional<std::string> decompress(std::string_view payload);

 private:
  z_stream out_{};
  z_stream in_{};
  bool out_forgets_;
  bool in_forgets_;
  std::size_t in_room_bytes_ = 0;
};

// Reads what the end sends, strictly: each breach of RFC 6455 ends it with `error`.
class FuzzerReader {
 public:
  FuzzerReader(FuzzerRole role, FuzzerDeflate* deflate) : role_(role), deflate_(deflate) {}

  void feed(std::string_view bytes);
  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  void forget_events() { events_.clear(); }
  // The payload of the close frame, once it has come.
  [[nodiscard]] const std::optional<std::string>& close() const { return close_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  // Messages that came compressed.
  [[nodiscard]] std::size_t compressed() const { return compressed_; }

 private:
  bool read_frame();
  void take(unsigned first, std::string payload);
  void take_data(unsigned first, std::string payload);
  void end_message();

  FuzzerRole role_;
  FuzzerDeflate* deflate_;
  std::string bytes_;
  std::size_t at_ = 0;
  unsigned message_first_ = 0;  // the first byte of the message in progress
  std::string message_;
  std::vector<Event> events_;
  std::optional<std::string> close_;
  std::string error_;
  std::size_t compressed_ = 0;
};

}  // namespace zenwire::test
