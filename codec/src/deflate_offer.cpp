#include <algorithm>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/deflate_offer.hpp>

#include "text_writer.hpp"

namespace zenwire {
namespace {

using detail::Detail;
using detail::TextWriter;

constexpr std::string_view kExtension = "permessage-deflate";
constexpr std::string_view kClientNoTakeover = "client_no_context_takeover";
constexpr std::string_view kServerNoTakeover = "server_no_context_takeover";
constexpr std::string_view kClientWindow = "client_max_window_bits";
constexpr std::string_view kServerWindow = "server_max_window_bits";

// ---- reading

struct Parameter {
  std::string_view name;
  // As it stood, without quotes, but with the backslashes of a quoted string.
  std::string_view value;
  bool has_value = false;
};

// A window parameter: not there, there without a value, or with one.
struct Window {
  bool named = false;
  std::uint8_t bits = 0;  // 0: no value
};

// The parameters of one permessage-deflate; `valid` ends with the first that is unknown, repeated
// or malformed (RFC 7692, section 7.1).
struct Parameters {
  bool valid = true;
  bool client_no_context_takeover = false;
  bool server_no_context_takeover = false;
  Window client_window;
  Window server_window;
};

struct Extension {
  std::string_view name;
  Parameters parameters;
};

// 8 to 15, decimal, without leading zero (section 7.1.2); 0 for anything else.
std::uint8_t window_bits_of(std::string_view value) noexcept {
  std::uint32_t bits = 0;
  for (const char c : value) {
    if (c == '\\') continue;
    const bool leading_zero = bits == 0 && c == '0';
    if (c < '0' || c > '9' || leading_zero || bits > kWindowBits_max) return 0;
    bits = bits * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return bits >= kWindowBits_min && bits <= kWindowBits_max ? static_cast<std::uint8_t>(bits) : 0;
}

bool read_flag(const Parameter& parameter, bool& flag) noexcept {
  return !std::exchange(flag, true) && !parameter.has_value;
}

bool read_window(const Parameter& parameter, Window& window) noexcept {
  if (std::exchange(window.named, true)) return false;
  if (!parameter.has_value) return true;
  window.bits = window_bits_of(parameter.value);
  return window.bits != 0;
}

bool read_parameter(const Parameter& parameter, Parameters& to) noexcept {
  if (parameter.name == kClientNoTakeover)
    return read_flag(parameter, to.client_no_context_takeover);
  if (parameter.name == kServerNoTakeover)
    return read_flag(parameter, to.server_no_context_takeover);
  if (parameter.name == kClientWindow) return read_window(parameter, to.client_window);
  // Only the client's window may stand without a value (section 7.1.2.2).
  if (parameter.name == kServerWindow)
    return parameter.has_value && read_window(parameter, to.server_window);
  return false;
}

// One header's extension list (RFC 6455, section 9.1), token by token. Each take function leaves
// the text as it was when what it looks for is not there.
class ListText {
 public:
  explicit ListText(std::string_view text) noexcept : rest_(text) {}

  [[nodiscard]] bool at_end() noexcept {
    rest_ = trimmed(rest_);
    return rest_.empty();
  }

  bool take(char c) noexcept {
    if (at_end() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Empty when there is none.
  std::string_view take_token() noexcept {
    if (at_end()) return {};
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), [](char c) {
      return is_token({&c, 1});
    });
    const std::string_view token = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(token.size());
    return token;
  }

  // A quoted string, which must be a token once it is unquoted. Empty when it is not.
  std::string_view take_quoted() noexcept {
    if (!take('"')) return {};
    std::size_t i = 0;
    for (; i < rest_.size() && rest_[i] != '"'; ++i) {
      if (rest_[i] == '\\') ++i;
      if (i == rest_.size() || !is_token(rest_.substr(i, 1))) return {};
    }
    if (i == rest_.size()) return {};
    const std::string_view value = rest_.substr(0, i);
    rest_.remove_prefix(i + 1);
    return value;
  }

 private:
  std::string_view rest_;
};

// All extensions of a head, over all its Sec-WebSocket-Extensions fields.
class ExtensionReader {
 public:
  explicit ExtensionReader(const HttpHeaders& headers) noexcept : headers_(headers.all()) {}

  // Nothing at the end, and at the first breach of the grammar: see malformed().
  std::optional<Extension> next() noexcept {
    while (text_.take(',')) continue;  // empty elements of a list are allowed (RFC 9110, 5.6.1)
    if (text_.at_end()) return next_field() ? next() : std::nullopt;
    Extension extension{text_.take_token(), {}};
    malformed_ = extension.name.empty();
    while (!malformed_ && text_.take(';')) read_one(extension.parameters);
    malformed_ = malformed_ || !(text_.at_end() || text_.take(','));
    return malformed_ ? std::nullopt : std::optional(extension);
  }

  [[nodiscard]] bool malformed() const noexcept { return malformed_; }

 private:
  bool next_field() noexcept {
    const auto field = std::find_if(headers_.begin(), headers_.end(), [](const Header& header) {
      return equal_ignoring_case(header.name, "Sec-WebSocket-Extensions");
    });
    if (field == headers_.end()) return false;
    text_ = ListText(field->value);
    headers_ = headers_.subspan(static_cast<std::size_t>(field - headers_.begin()) + 1);
    return true;
  }

  void read_one(Parameters& to) noexcept {
    Parameter parameter{text_.take_token(), {}, false};
    malformed_ = parameter.name.empty();
    if (!malformed_ && text_.take('=')) {
      parameter.has_value = true;
      parameter.value = text_.take_token();
      if (parameter.value.empty()) parameter.value = text_.take_quoted();
      malformed_ = parameter.value.empty();
    }
    to.valid = to.valid && read_parameter(parameter, to);
  }

  std::span<const Header> headers_;
  ListText text_{{}};
  bool malformed_ = false;
};

tl::unexpected<Error> invalid_answer(std::string_view why) noexcept {
  return fail(Errc::upgrade_extension_invalid, why);
}

Result<DeflateParameters> check_answer(const Parameters& answer,
                                       const DeflateOffer& offer) noexcept {
  if (!answer.valid)
    return invalid_answer("permessage-deflate with a parameter that is unknown, repeated or bad");
  if (answer.client_window.named && !offer.client_max_window_bits_offered)
    return invalid_answer("client_max_window_bits was not offered");
  if (answer.client_window.named && answer.client_window.bits == 0)
    return invalid_answer("client_max_window_bits without a value");
  if (answer.client_window.bits > offer.client_max_window_bits)
    return invalid_answer("client_max_window_bits is more than was offered");
  if (offer.server_no_context_takeover && !answer.server_no_context_takeover)
    return invalid_answer("server_no_context_takeover was asked for and is missing");
  const std::uint8_t server_bits =
      answer.server_window.named ? answer.server_window.bits : kWindowBits_max;
  if (server_bits > offer.server_max_window_bits)
    return invalid_answer("server_max_window_bits is more than was asked for, or missing");

  DeflateParameters agreed;
  agreed.server_max_window_bits = server_bits;
  agreed.client_max_window_bits =
      answer.client_window.named ? answer.client_window.bits : offer.client_max_window_bits;
  agreed.server_no_context_takeover = answer.server_no_context_takeover;
  // What the client said it would do it does, whether the server repeats it or not.
  agreed.client_no_context_takeover =
      offer.client_no_context_takeover || answer.client_no_context_takeover;
  return agreed;
}

std::optional<DeflateParameters> match(const Parameters& offer,
                                       const DeflateOffer& willing) noexcept {
  if (!offer.valid) return std::nullopt;
  const bool can_tell_client = offer.client_window.named;
  if (!can_tell_client && willing.client_max_window_bits < kWindowBits_max) return std::nullopt;
  const auto offered = [](Window window) {
    return window.bits == 0 ? kWindowBits_max : window.bits;
  };
  DeflateParameters agreed;
  agreed.client_max_window_bits =
      std::min(offered(offer.client_window), willing.client_max_window_bits);
  agreed.server_max_window_bits =
      std::min(offered(offer.server_window), willing.server_max_window_bits);
  agreed.client_no_context_takeover =
      offer.client_no_context_takeover || willing.client_no_context_takeover;
  agreed.server_no_context_takeover =
      offer.server_no_context_takeover || willing.server_no_context_takeover;
  agreed.answer_names_server_window = offer.server_window.named;
  return agreed;
}

void write_window(TextWriter& writer, std::string_view name, std::uint8_t bits) noexcept {
  writer << "; " << name << '=' << std::uint64_t{bits};
}

constexpr std::size_t kLongestText_bytes =
    kExtension.size() + kClientNoTakeover.size() + kServerNoTakeover.size() + kClientWindow.size() +
    kServerWindow.size() + 4 * std::string_view("; ").size() + 2 * std::string_view("=15").size();
static_assert(kLongestText_bytes <= kDeflateText_bytes_max);

}  // namespace

Result<void> check_offer(const DeflateOffer& offer) noexcept {
  if (!is_window_bits(offer.client_max_window_bits))
    return fail(Errc::invalid_option, "deflate: client_max_window_bits is not 8 to 15");
  if (!is_window_bits(offer.server_max_window_bits))
    return fail(Errc::invalid_option, "deflate: server_max_window_bits is not 8 to 15");
  if (!offer.client_max_window_bits_offered && offer.client_max_window_bits < kWindowBits_max)
    return fail(Errc::contradictory_options,
                "deflate: client_max_window_bits is below 15 but not to be offered");
  return {};
}

Result<std::optional<DeflateParameters>> accept_deflate(const HttpHeaders& answer,
                                                        const DeflateOffer* offer) noexcept {
  std::optional<DeflateParameters> agreed;
  ExtensionReader extensions(answer);
  while (const auto extension = extensions.next()) {
    if (offer == nullptr || extension->name != kExtension)
      return (Detail() << "the server chose ")
          .printable(extension->name)
          .fail(Errc::upgrade_extension_unasked);
    if (agreed) return invalid_answer("permessage-deflate twice");
    const auto checked = check_answer(extension->parameters, *offer);
    if (!checked) return tl::unexpected(checked.error());
    agreed = *checked;
  }
  if (extensions.malformed()) return invalid_answer("Sec-WebSocket-Extensions cannot be read");
  return agreed;
}

Result<std::optional<DeflateParameters>> choose_deflate(const HttpHeaders& request,
                                                        const DeflateOffer& willing) noexcept {
  ZW_ASSERT(is_window_bits(willing.client_max_window_bits));
  ZW_ASSERT(is_window_bits(willing.server_max_window_bits));
  std::optional<DeflateParameters> agreed;
  ExtensionReader extensions(request);
  while (const auto extension = extensions.next()) {
    if (!agreed && extension->name == kExtension) agreed = match(extension->parameters, willing);
  }
  if (extensions.malformed())
    return fail(Errc::upgrade_request_invalid, "Sec-WebSocket-Extensions cannot be read");
  return agreed;
}

std::size_t write_offer(const DeflateOffer& offer, MutableBytes to) noexcept {
  ZW_ASSERT(to.size() >= kDeflateText_bytes_max);
  ZW_ASSERT(check_offer(offer).has_value());
  TextWriter writer(to);
  writer << kExtension;
  if (offer.server_no_context_takeover) writer << "; " << kServerNoTakeover;
  if (offer.client_no_context_takeover) writer << "; " << kClientNoTakeover;
  if (offer.server_max_window_bits < kWindowBits_max)
    write_window(writer, kServerWindow, offer.server_max_window_bits);
  if (offer.client_max_window_bits < kWindowBits_max)
    write_window(writer, kClientWindow, offer.client_max_window_bits);
  else if (offer.client_max_window_bits_offered)
    writer << "; " << kClientWindow;
  return writer.size();
}

std::size_t write_answer(const DeflateParameters& parameters, MutableBytes to) noexcept {
  ZW_ASSERT(to.size() >= kDeflateText_bytes_max);
  ZW_ASSERT(is_window_bits(parameters.client_max_window_bits));
  ZW_ASSERT(is_window_bits(parameters.server_max_window_bits));
  TextWriter writer(to);
  writer << kExtension;
  if (parameters.server_no_context_takeover) writer << "; " << kServerNoTakeover;
  if (parameters.client_no_context_takeover) writer << "; " << kClientNoTakeover;
  if (parameters.server_max_window_bits < kWindowBits_max || parameters.answer_names_server_window)
    write_window(writer, kServerWindow, parameters.server_max_window_bits);
  if (parameters.client_max_window_bits < kWindowBits_max)
    write_window(writer, kClientWindow, parameters.client_max_window_bits);
  return writer.size();
}

}  // namespace zenwire
