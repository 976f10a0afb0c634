#pragma once

// What a MockServer does to a client, step by step: frames right and wrong, pauses, stalls, ends.
//
//     Script().text("hello").delay(5ms).raw("\x81\x7e\x00").end()
//
// A value, made anywhere and played by the server's thread. Several scripts may play to one client:
// each goes on by itself while another waits, and they take their steps in the order in which they
// came.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <zenwire/codec/close.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/testing/matcher.hpp>

namespace zenwire::testing {

// One frame with every field at the test's will: nothing is checked or mended.
struct AnyFrame {
  std::uint8_t opcode = 1;  // 0 to 15
  bool fin = true;
  bool rsv1 = false;
  bool rsv2 = false;
  bool rsv3 = false;
  std::optional<MaskingKey> key{};  // a server must not mask (RFC 6455, section 5.1)
  std::string payload{};
  std::optional<std::uint64_t> announced_bytes{};  // the length that the header says instead

  // As on the wire.
  [[nodiscard]] std::string bytes() const;
};

class Script {
 public:
  // --- Messages and control frames as they should be. Compressed when permessage-deflate was
  // agreed.
  Script& text(std::string_view payload);
  Script& binary(std::string_view payload);
  // In frames of `fragment_bytes` (at least 1).
  Script& fragments(Opcode opcode, std::string_view payload, std::size_t fragment_bytes);
  Script& ping(std::string_view payload = {});
  Script& pong(std::string_view payload = {});
  // A close frame; what follows in the script is still sent, wrong as it is. When the client's has
  // come, the transport is ended. 1005 sends an empty one.
  Script& close(std::uint16_t code = CloseCode::normal, std::string_view reason = {});

  // --- Whatever breaks the rules.
  Script& frame(const AnyFrame& frame);
  Script& raw(std::string_view bytes);

  // --- Time and turns.
  Script& delay(std::chrono::nanoseconds time);
  // Goes on when the client has sent such a message, of those since the script began and after the
  // one that the last such step found.
  Script& await(Matcher matcher);
  // Goes on at MockServer::release().
  Script& hold();

  // --- Reading. What is not read fills the client's socket.
  Script& stop_reading();
  Script& read_slowly(std::size_t bytes, std::chrono::nanoseconds every);
  Script& read_freely();
  // Each write to the socket is of at most so many bytes.
  Script& write_in_pieces(std::size_t bytes);

  // --- Ends.
  // The TLS closing alert and FIN, behind what was sent.
  Script& end_in_order();
  // FIN without the alert (a truncation, in TLS), behind what was sent.
  Script& end();
  // RST at once: the client may lose what it has not read.
  Script& reset();
  // Half open: nothing is read, nothing sent, and nobody says so, until a later reset() or the end
  // of the server.
  Script& go_silent();

  // All of `other` behind this.
  Script& then(const Script& other);
  [[nodiscard]] bool empty() const noexcept { return steps_.empty(); }

  // --- What it is made of, for whoever plays it.
  struct SendMessage {
    Opcode opcode;
    std::string payload;
    std::size_t fragment_bytes;  // 0: one frame
  };
  struct SendClose {
    std::uint16_t code;
    std::string reason;
  };
  struct SendRaw {
    std::string bytes;
  };
  struct Delay {
    std::chrono::nanoseconds time;
  };
  struct Await {
    Matcher matcher;
  };
  struct Hold {};
  struct ReadPace {
    std::size_t bytes;  // 0: nothing
    std::chrono::nanoseconds every;
  };
  struct WritePieces {
    std::size_t bytes;
  };
  enum class End : std::uint8_t { in_order, fin, reset, silence };
  using Step =
      std::variant<SendMessage, SendClose, SendRaw, Delay, Await, Hold, ReadPace, WritePieces, End>;
  [[nodiscard]] const std::vector<Step>& steps() const noexcept { return steps_; }

 private:
  std::vector<Step> steps_;
};

// The ways in which a venue goes away.
class Disconnect {
 public:
  // Close frames: 1000, 1001, or any code, also one that must not be sent.
  static Script normal() { return Script().close(CloseCode::normal, "Normal closure"); }
  static Script going_away() { return Script().close(CloseCode::going_away, "Going away"); }
  static Script code(std::uint16_t code, std::string_view reason = {});
  // RST, FIN without a close frame, FIN within a frame, and no word at all.
  static Script reset() { return Script().reset(); }
  static Script end_of_stream() { return Script().end(); }
  static Script mid_frame();
  static Script silence() { return Script().go_silent(); }
};

}  // namespace zenwire::testing
