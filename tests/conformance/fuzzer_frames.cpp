#include "fuzzer_frames.hpp"

#include <gtest/gtest.h>

namespace zenwire::test {
namespace {

constexpr std::string_view kTail("\x00\x00\xff\xff", 4);
constexpr std::size_t kRoom_bytes = 16384;
constexpr std::size_t kStrictRoom_bytes = 32;

unsigned at(std::string_view bytes, std::size_t index) {
  return static_cast<unsigned char>(bytes[index]);
}

void append_number(std::string& to, std::uint64_t number, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) to += static_cast<char>(number >> 8 * i);
}

std::uint64_t number_at(std::string_view bytes, std::size_t from, unsigned count) {
  std::uint64_t number = 0;
  for (unsigned i = 0; i < count; ++i) number = number << 8 | at(bytes, from + i);
  return number;
}

void apply_mask(std::string& payload, std::string_view key) {
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] ^= key[i % 4];
}

Bytef* zlib_bytes(const char* bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes));
}

// Runs deflate or inflate over all of `in`; false when it does not go on. `room_bytes` of output a
// call: zlib lets a match reach back beyond the window as far as the output of the call in hand.
template <typename Turn>
bool run_stream(z_stream& stream, std::string_view in, std::string& out, Turn&& turn,
                std::size_t room_bytes) {
  stream.next_in = zlib_bytes(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  char room[kRoom_bytes];
  do {
    stream.next_out = zlib_bytes(room);
    stream.avail_out = static_cast<uInt>(room_bytes);
    const int status = turn(&stream, Z_SYNC_FLUSH);
    if (status != Z_OK && status != Z_BUF_ERROR) return false;
    out.append(room, room_bytes - stream.avail_out);
  } while (stream.avail_out == 0);
  return stream.avail_in == 0;
}

}  // namespace

std::string encode(const Frame& frame, FuzzerRole role, std::uint32_t key) {
  const bool masked = (role == FuzzerRole::client) != frame.masked_wrongly;
  const std::uint64_t length = frame.announced.value_or(frame.payload.size());
  unsigned extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  if (frame.length_bytes != 0) extended = frame.length_bytes;
  std::string bytes;
  bytes.reserve(frame.payload.size() + kHeaderBytesMax);
  bytes += static_cast<char>((frame.fin ? 0x80u : 0u) | frame.rsv << 4 | frame.opcode);
  const auto short_length = extended == 0   ? static_cast<unsigned>(length)
                            : extended == 2 ? 126
                                            : 127;
  bytes += static_cast<char>((masked ? 0x80u : 0u) | short_length);
  append_number(bytes, length, extended);
  if (!masked) return bytes += frame.payload;
  const std::size_t key_at = bytes.size();
  append_number(bytes, key, 4);
  std::string payload = frame.payload;
  apply_mask(payload, std::string_view(bytes).substr(key_at));
  return bytes += payload;
}

FuzzerDeflate::FuzzerDeflate(const DeflateAgreement& agreed, FuzzerRole role)
    : out_forgets_(role == FuzzerRole::client ? agreed.client_no_context_takeover
                                              : agreed.server_no_context_takeover),
      in_forgets_(role == FuzzerRole::client ? agreed.server_no_context_takeover
                                             : agreed.client_no_context_takeover) {
  const bool client = role == FuzzerRole::client;
  const int out_bits = client ? agreed.client_window_bits : agreed.server_window_bits;
  const int in_bits = client ? agreed.server_window_bits : agreed.client_window_bits;
  in_room_bytes_ = in_bits < 15 ? kStrictRoom_bytes : kRoom_bytes;
  EXPECT_EQ(deflateInit2(&out_, 6, Z_DEFLATED, -std::max(out_bits, 9), 8, Z_DEFAULT_STRATEGY),
            Z_OK);
  EXPECT_EQ(inflateInit2(&in_, -in_bits), Z_OK);
}

FuzzerDeflate::~FuzzerDeflate() {
  deflateEnd(&out_);
  inflateEnd(&in_);
}

std::string FuzzerDeflate::compress(std::string_view message) {
  if (message.empty()) return std::string(1, '\0');
  if (out_forgets_) deflateReset(&out_);
  std::string out;
  EXPECT_TRUE(run_stream(out_, message, out, deflate, kRoom_bytes));
  EXPECT_EQ(out.substr(out.size() - kTail.size()), kTail);
  return out.substr(0, out.size() - kTail.size());
}

std::optional<std::string> FuzzerDeflate::decompress(std::string_view payload) {
  if (in_forgets_) inflateReset(&in_);
  std::string out;
  const auto inflated = [&](std::string_view part) {
    return run_stream(in_, part, out, inflate, in_room_bytes_);
  };
  if (!inflated(payload) || !inflated(kTail)) return {};
  return out;
}

void FuzzerReader::feed(std::string_view bytes) {
  bytes_ += bytes;
  if (close_ && !bytes.empty() && error_.empty()) error_ = "bytes after the close frame";
  while (error_.empty() && read_frame()) {
  }
  if (at_ * 2 < bytes_.size()) return;  // each byte is moved at most once
  bytes_.erase(0, at_);
  at_ = 0;
}

bool FuzzerReader::read_frame() {
  const std::string_view rest = std::string_view(bytes_).substr(at_);
  if (rest.size() < 2) return false;
  const bool masked = (at(rest, 1) & 0x80) != 0;
  const unsigned short_length = at(rest, 1) & 0x7f;
  const unsigned extended = short_length < 126 ? 0 : short_length == 126 ? 2 : 8;
  const std::size_t header = 2 + extended + (masked ? 4 : 0);
  if (rest.size() < header) return false;
  const std::uint64_t length = extended == 0 ? short_length : number_at(rest, 2, extended);
  if (rest.size() - header < length) return false;
  if (masked != (role_ == FuzzerRole::server)) error_ = "masked by the wrong end";
  if (extended == 2 && length < 126) error_ = "a length of 16 bits that is not needed";
  if (extended == 8 && length < 65536) error_ = "a length of 64 bits that is not needed";
  std::string payload(rest.substr(header, length));
  if (masked) apply_mask(payload, rest.substr(header - 4, 4));
  at_ += header + length;
  take(at(rest, 0), std::move(payload));
  return error_.empty();
}

void FuzzerReader::take(unsigned first, std::string payload) {
  if (close_) error_ = "a frame after the close frame";
  if ((first & 8) == 0) return take_data(first, std::move(payload));
  if ((first & 0xf0) != 0x80 || payload.size() > 125) error_ = "a control frame that is malformed";
  const unsigned opcode = first & 15;
  if (opcode == kClose) {
    close_ = std::move(payload);
    if (close_->size() == 1) error_ = "a close frame of one byte";
  } else {
    events_.push_back({opcode, std::move(payload)});
  }
}

void FuzzerReader::take_data(unsigned first, std::string payload) {
  const bool begins = message_first_ == 0;
  const unsigned opcode = first & 15;
  if ((first & 0x30) != 0) error_ = "reserved bits";
  if ((first & 0x40) != 0 && (deflate_ == nullptr || !begins)) error_ = "RSV1 out of place";
  if (begins ? opcode != kText && opcode != kBinary : opcode != kContinuation)
    error_ = "a data frame with an opcode out of place";
  if (!error_.empty()) return;
  if (begins) message_first_ = first;
  message_ += payload;
  if ((first & 0x80) != 0) end_message();
}

void FuzzerReader::end_message() {
  if ((message_first_ & 0x40) != 0) {
    ++compressed_;
    auto plain = deflate_->decompress(message_);
    if (!plain) error_ = "a message that does not decompress in the window that was agreed";
    message_ = std::move(plain).value_or("");
  }
  events_.push_back({message_first_ & 15, std::move(message_)});
  message_.clear();
  message_first_ = 0;
}

}  // namespace zenwire::test
