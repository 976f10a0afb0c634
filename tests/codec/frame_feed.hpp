#pragma once

// What the tests of the frame reader share: streams to feed it, the events that came of them, a
// driver that treats the window as the engine does, and a model of the reader that was written from
// RFC 6455 alone.

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/codec/frame_reader.hpp>
#include <zenwire/codec/frame_writer.hpp>

namespace zenwire::test {

inline Role other(Role role) {
  return role == Role::client ? Role::server : Role::client;
}
inline const char* role_name(Role role) {
  return role == Role::client ? "client" : "server";
}

// A message, a control frame, or the error that ended it all.
struct Event {
  ReadStatus status = ReadStatus::need_more;
  Opcode opcode = Opcode::text;
  bool compressed = false;
  std::string payload;
  Errc error = Errc::ok;

  bool operator==(const Event&) const = default;
};

inline Event message(Opcode opcode, std::string_view payload, bool compressed = false) {
  return {ReadStatus::message, opcode, compressed, std::string(payload), Errc::ok};
}
inline Event control(Opcode opcode, std::string_view payload) {
  return {ReadStatus::control, opcode, false, std::string(payload), Errc::ok};
}
inline Event failure(Errc error) {
  return {ReadStatus::failed, Opcode::text, false, {}, error};
}

inline void PrintTo(const Event& event, std::ostream* out) {
  if (event.status == ReadStatus::failed) {
    *out << "failed: " << zenwire::name(event.error);
    return;
  }
  *out << name(event.opcode) << (event.compressed ? " compressed" : "") << " of "
       << event.payload.size() << ": " << testing::PrintToString(event.payload.substr(0, 40));
}

// Bytes as a peer of the given role sends them.
class Stream {
 public:
  explicit Stream(Role sender) : sender_(sender) {}

  Stream& frame(Opcode opcode, std::string_view payload, bool fin = true, bool rsv1 = false) {
    const std::size_t before = bytes_.size();
    bytes_.resize(before + frame_bytes(sender_, payload.size()));
    auto* const to = reinterpret_cast<std::byte*>(bytes_.data()) + before;
    key_ = key_ * 2654435761u + 12345;
    write_header_and_payload(to, opcode, payload, fin, rsv1);
    return *this;
  }

  // As it is, mask bit and key too: for frames that no writer would write.
  Stream& raw(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }

  // A header with the mask bit and a key of zero as the sender's role demands, and no payload.
  Stream& header(unsigned first, unsigned second, std::string_view extended = {}) {
    const bool masked = sender_ == Role::client;
    bytes_ += static_cast<char>(first);
    bytes_ += static_cast<char>(second | (masked ? 0x80u : 0u));
    bytes_.append(extended);
    if (masked) bytes_.append(4, '\0');
    return *this;
  }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  // Byte by byte from the RFC, so that the writer is not tested with itself.
  void write_header_and_payload(std::byte* to, Opcode opcode, std::string_view payload, bool fin,
                                bool rsv1) const {
    const bool masked = sender_ == Role::client;
    const auto put = [&to](std::uint64_t value) { *to++ = static_cast<std::byte>(value & 0xff); };
    const std::size_t size = payload.size();
    put(static_cast<unsigned>(opcode) | (fin ? 0x80u : 0u) | (rsv1 ? 0x40u : 0u));
    put((masked ? 0x80u : 0u) | (size < 126 ? size : size < 65536 ? 126u : 127u));
    const int extended = size < 126 ? 0 : size < 65536 ? 2 : 8;
    for (int i = extended - 1; i >= 0; --i) put(size >> (8 * i));
    if (masked) {
      for (unsigned i = 0; i < 4; ++i) put(key_ >> (8 * i));
    }
    for (std::size_t i = 0; i < size; ++i) {
      put(static_cast<unsigned char>(payload[i]) ^ (masked ? key_ >> (8 * (i % 4)) : 0u));
    }
  }

  Role sender_;
  std::uint32_t key_ = 0x9e3779b9;
  std::string bytes_;
};

// Memory of exactly the size that a window needs, so that AddressSanitizer sees one byte more.
class WindowMemory {
 public:
  explicit WindowMemory(std::size_t capacity)
      : capacity_(capacity), bytes_(new std::byte[capacity + kReadPadding_bytes]) {
    // What lies in the padding must not matter: neither ASCII nor a frame.
    std::memset(bytes_.get(), 0xfe, capacity + kReadPadding_bytes);
  }
  [[nodiscard]] std::byte* base() const { return bytes_.get(); }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  std::size_t capacity_;
  std::unique_ptr<std::byte[]> bytes_;
};

// Feeds a reader as the engine does: what fits into the window, drain, make room, and more memory
// only when the reader wants it.
class Feed {
 public:
  Feed(Role reader, const FrameLimits& limits, std::size_t capacity)
      : reader_(reader, limits),
        limits_(limits),
        memory_(capacity),
        window_(memory_.base(), memory_.capacity()) {}

  // One arrival. The bytes beyond the window's room come after it was drained.
  void receive(std::string_view bytes) {
    while (!bytes.empty() && !failed()) {
      if (window_.writable().empty()) make_room();
      const std::size_t taken = std::min(bytes.size(), window_.writable().size());
      ASSERT_GT(taken, 0u) << "no room, and the reader wants none";
      std::memcpy(window_.writable().data(), bytes.data(), taken);
      window_.commit(taken);
      bytes.remove_prefix(taken);
      drain();
    }
  }

  [[nodiscard]] bool failed() const {
    return !events_.empty() && events_.back().status == ReadStatus::failed;
  }
  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] std::vector<Event>& events() { return events_; }
  [[nodiscard]] FrameReader& reader() { return reader_; }
  [[nodiscard]] ReceiveWindow& window() { return window_; }
  [[nodiscard]] std::size_t capacity() const { return memory_.capacity(); }
  [[nodiscard]] std::uint64_t relocations() const { return relocations_; }

  void relocate(std::size_t capacity) {
    WindowMemory larger(capacity);
    window_.relocate(larger.base(), larger.capacity());
    memory_ = std::move(larger);
    ++relocations_;
  }

 private:
  void drain() {
    bool follows = true;  // unknown before the first event
    for (;;) {
      const ReadStatus status = reader_.next(window_);
      if (status == ReadStatus::need_more) break;
      if (status == ReadStatus::failed) return events_.push_back(failure(reader_.error()));
      ASSERT_TRUE(follows) << "the look-ahead missed a frame";
      const Opcode opcode = reader_.opcode();
      events_.push_back({status, opcode, reader_.compressed(),
                         std::string(as_text(reader_.payload())), Errc::ok});
      read_padding();
      follows = reader_.complete_frame_follows(window_);
    }
    const std::size_t wanted = reader_.wanted_bytes(window_);
    ASSERT_GT(wanted, window_.live_bytes()) << "nothing would come of it";
    ASSERT_LE(wanted, limits_.window_bytes_max());
    window_.rewind();
  }

  // What stands behind a payload may be read, whatever it is.
  void read_padding() const {
    const std::byte* const end = reader_.payload().data() + reader_.payload().size();
    if (reader_.payload().data() == nullptr) return;
    unsigned sum = 0;
    for (std::size_t i = 0; i < kReadPadding_bytes; ++i) sum += static_cast<unsigned>(end[i]);
    ASSERT_LE(sum, 255u * kReadPadding_bytes);
  }

  void make_room() {
    const std::size_t wanted = reader_.wanted_bytes(window_);
    if (wanted > window_.capacity()) return relocate(wanted);
    window_.compact();
  }

  FrameReader reader_;
  FrameLimits limits_;
  WindowMemory memory_;
  ReceiveWindow window_;
  std::vector<Event> events_;
  std::uint64_t relocations_ = 0;
};

// The events of a stream that arrives in the pieces between the cuts (ascending places in it).
inline std::vector<Event> events_of(Role reader, const FrameLimits& limits, std::string_view stream,
                                    const std::vector<std::size_t>& cuts = {},
                                    std::size_t capacity = 64) {
  Feed feed(reader, limits, capacity);
  std::size_t at = 0;
  for (const std::size_t cut : cuts) {
    feed.receive(stream.substr(at, cut - at));
    at = cut;
  }
  feed.receive(stream.substr(at));
  return feed.events();
}

// The same rules, said the slow way over the whole stream: what the reader is compared with.
class ReaderModel {
 public:
  ReaderModel(Role reader, const FrameLimits& limits)
      : masked_(reader == Role::server), limits_(limits) {}

  std::vector<Event> run(std::string_view stream) {
    stream_ = stream;
    at_ = 0;
    while (at_ < stream_.size() && read_frame()) {
    }
    return std::move(events_);
  }

 private:
  [[nodiscard]] bool has(std::size_t bytes) const { return stream_.size() - at_ >= bytes; }
  [[nodiscard]] unsigned byte(std::size_t i) const {
    return static_cast<unsigned char>(stream_[at_ + i]);
  }

  bool refuse(Errc error) {
    events_.push_back(failure(error));
    return false;
  }

  bool read_frame() {
    const unsigned first = byte(0);
    const unsigned opcode = first % 16;
    const bool fin = first >= 128;
    const bool rsv1 = (first & 64) != 0;
    const bool is_data = opcode < 8;
    if ((first & 48) != 0) return refuse(Errc::frame_reserved_bits);
    if ((opcode > 2 && opcode < 8) || opcode > 10) return refuse(Errc::frame_opcode_unknown);
    if (!is_data && !fin) return refuse(Errc::frame_control_fragmented);
    if (rsv1 && (!limits_.deflate || (opcode != 1 && opcode != 2)))
      return refuse(Errc::frame_reserved_bits);
    if (opcode == 0 && !open_) return refuse(Errc::frame_continuation_unexpected);
    if ((opcode == 1 || opcode == 2) && open_) return refuse(Errc::frame_continuation_expected);
    if (opcode == 0 && fragments_ == limits_.fragments_max)
      return refuse(Errc::message_too_many_fragments);
    if (!has(2)) return false;
    if ((byte(1) >= 128) != masked_)
      return refuse(masked_ ? Errc::frame_mask_missing : Errc::frame_mask_unexpected);
    std::uint64_t size = byte(1) % 128;
    if (!is_data && size > 125) return refuse(Errc::frame_control_too_long);
    std::size_t head = 2;
    if (size >= 126) {
      const std::size_t extended = size == 126 ? 2 : 8;
      if (!has(2 + extended)) return false;
      size = 0;
      for (std::size_t i = 0; i < extended; ++i) size = size << 8 | byte(2 + i);
      if (size >> 63 != 0) return refuse(Errc::frame_length_invalid);
      if (size < (extended == 2 ? 126u : 65536u)) return refuse(Errc::frame_length_not_minimal);
      head += extended;
    }
    if (is_data && size > limits_.frame_bytes_max) return refuse(Errc::frame_too_large);
    if (is_data && (open_ ? announced_ : 0) + size > limits_.message_bytes_max)
      return refuse(Errc::message_too_large);
    std::string key(4, '\0');
    if (masked_) {
      if (!has(head + 4)) return false;
      key = std::string(stream_.substr(at_ + head, 4));
      head += 4;
    }
    const std::size_t here =
        static_cast<std::size_t>(std::min<std::uint64_t>(size, stream_.size() - at_ - head));
    std::string payload(stream_.substr(at_ + head, here));
    for (std::size_t i = 0; i < payload.size(); ++i)
      payload[i] = static_cast<char>(payload[i] ^ key[i % 4]);
    at_ += head + here;
    const bool whole = here == size;
    if (!is_data) {
      if (!whole) return false;
      events_.push_back(control(static_cast<Opcode>(opcode), payload));
      return opcode != 8;
    }
    if (opcode != 0) {
      message_ = Event{ReadStatus::message, static_cast<Opcode>(opcode), rsv1, {}, Errc::ok};
      announced_ = 0;
      fragments_ = 0;
    }
    open_ = !fin || !whole;
    announced_ += size;
    ++fragments_;
    message_.payload += payload;
    const bool text =
        message_.opcode == Opcode::text && !message_.compressed && limits_.validate_utf8;
    Utf8Validator validator;
    if (text && !validator.feed(as_bytes(message_.payload))) return refuse(Errc::text_not_utf8);
    if (!whole) return false;
    if (fin && text && !validator.finish()) return refuse(Errc::text_not_utf8);
    if (fin) events_.push_back(std::move(message_));
    return true;
  }

  bool masked_;
  FrameLimits limits_;
  std::string_view stream_;
  std::size_t at_ = 0;
  std::vector<Event> events_;
  bool open_ = false;
  Event message_;
  std::uint64_t announced_ = 0;
  std::uint32_t fragments_ = 0;
};

}  // namespace zenwire::test
