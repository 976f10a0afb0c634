#pragma once

// Agreeing on permessage-deflate in the handshake (RFC 7692, section 7.1), for both roles.

#include <cstdint>
#include <optional>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/http_head.hpp>

namespace zenwire {

inline constexpr std::uint8_t kWindowBits_min = 8;
inline constexpr std::uint8_t kWindowBits_max = 15;

// Whether a window may be of so many (RFC 7692, section 7.1.2).
constexpr bool is_window_bits(std::uint8_t bits) noexcept {
  return bits >= kWindowBits_min && bits <= kWindowBits_max;
}

// What this end wants of permessage-deflate. A client writes it into its request; a server holds
// the offers that come against it. A window is 2 to the power of its bits, in bytes, 8 to 15.
struct DeflateOffer {
  // Client: sent as server_max_window_bits when below 15, and then binding on the server.
  // Server: the largest window it compresses with.
  std::uint8_t server_max_window_bits = kWindowBits_max;
  // Client: the largest window it compresses with; sent with its value when below 15, and without
  // one at 15. Server: the largest window it allows the client; below 15, an offer from a client
  // that cannot be told (one without client_max_window_bits) is declined.
  std::uint8_t client_max_window_bits = kWindowBits_max;
  // Client: whether to let the server choose the client's window, by sending client_max_window_bits
  // at all. Must be true when client_max_window_bits is below 15.
  bool client_max_window_bits_offered = true;
  // Client: demanded of the server. Server: it will not keep its own window between messages.
  bool server_no_context_takeover = false;
  // Client: it will not keep its own window between messages. Server: demanded of the client.
  bool client_no_context_takeover = false;

  bool operator==(const DeflateOffer&) const = default;
};

// How one direction compresses.
struct DeflateSide {
  std::uint8_t window_bits = kWindowBits_max;
  bool no_context_takeover = false;

  bool operator==(const DeflateSide&) const = default;
};

// What was agreed.
struct DeflateParameters {
  std::uint8_t client_max_window_bits = kWindowBits_max;
  std::uint8_t server_max_window_bits = kWindowBits_max;
  bool client_no_context_takeover = false;
  bool server_no_context_takeover = false;
  // The offer named server_max_window_bits, so that the server's answer must, even for 15.
  bool answer_names_server_window = false;

  // What the client compresses with and the server decompresses with, and the other way round.
  [[nodiscard]] DeflateSide client_side() const noexcept {
    return {client_max_window_bits, client_no_context_takeover};
  }
  [[nodiscard]] DeflateSide server_side() const noexcept {
    return {server_max_window_bits, server_no_context_takeover};
  }
  bool operator==(const DeflateParameters&) const = default;
};

// Error invalid_option when the windows are not 8 to 15 or contradict each other.
Result<void> check_offer(const DeflateOffer& offer) noexcept;

// Client. Reads the extensions of a server's answer against what was offered (null: nothing).
// Nothing when the server named no extension. Errors: upgrade_extension_unasked for an extension
// that was not offered; upgrade_extension_invalid for one named twice, a bad list, or
// permessage-deflate with parameters that are unknown, repeated, malformed, or go beyond the offer.
Result<std::optional<DeflateParameters>> accept_deflate(const HttpHeaders& answer,
                                                        const DeflateOffer* offer) noexcept;

// Server. Picks the first of the client's offers that `willing` allows; offers with parameters that
// are unknown, repeated or malformed are declined, as are other extensions. Nothing when none fits.
// Error: upgrade_request_invalid when the header does not follow the grammar (RFC 6455,
// section 9.1).
Result<std::optional<DeflateParameters>> choose_deflate(const HttpHeaders& request,
                                                        const DeflateOffer& willing) noexcept;

// The longest text of the two functions below.
inline constexpr std::size_t kDeflateText_bytes_max = 160;

// The value of Sec-WebSocket-Extensions in a request, and in an answer. `to` holds
// kDeflateText_bytes_max. Return the length.
std::size_t write_offer(const DeflateOffer& offer, MutableBytes to) noexcept;
std::size_t write_answer(const DeflateParameters& parameters, MutableBytes to) noexcept;

}  // namespace zenwire
