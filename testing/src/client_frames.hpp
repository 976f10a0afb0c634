#pragma once

// Takes the frames of a client out of its bytes, each one as it came, and joins them into messages.
// The engine's own reader gives messages only; a test wants to see the fragments.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/codec/deflate.hpp>
#include <zenwire/testing/capture.hpp>

namespace zenwire::testing::detail {

class ClientFrames {
 public:
  // From now on RSV1 means a compressed message.
  void enable_deflate(DeflateSide client);

  // Takes the next frame off the front of `bytes`; nothing when there is no whole one, or when the
  // client has broken a rule: error().
  std::optional<CapturedFrame> next(std::string_view& bytes);
  // The message that the frame just given completed.
  std::optional<CapturedMessage> take_message();
  [[nodiscard]] Errc error() const noexcept { return error_; }

  // Of a message, decompressed or not.
  static constexpr std::size_t kMessage_bytes_max = std::size_t{64} << 20;

 private:
  Errc check(const FrameHeader& header) const;
  void join(const CapturedFrame& frame);
  void finish_message();
  bool inflate();
  std::nullopt_t fail(Errc error) noexcept;

  Errc error_ = Errc::ok;
  std::optional<CapturedMessage> partial_{};
  std::optional<CapturedMessage> complete_{};
  std::optional<Inflater> inflater_{};
  std::unique_ptr<std::byte[]> arena_{};
};

}  // namespace zenwire::testing::detail
