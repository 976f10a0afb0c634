#include "journal_input.hpp"

#include <algorithm>

#include <zenwire/codec/frame.hpp>

namespace zenwire::detail {

void JournalInput::add(const Piece& piece) noexcept {
  if (piece.bytes == 0) return;
  pieces_[count_++ % kPieces_max] = piece;
  if (message_event_ == kNowhere) message_event_ = piece.event;
  bytes_ += piece.bytes;
}

// It lies in the last piece nearly always.
void JournalInput::end_message(std::uint64_t end) noexcept {
  ZW_ASSERT(end >= message_ && end <= bytes_);
  message_ = end;
  message_event_ = kNowhere;
  std::uint64_t begin = bytes_;
  for (std::uint64_t number = count_; begin > end; --number) {
    ZW_ASSERT(count_ - number < kPieces_max);
    begin -= piece(number - 1).bytes;
    message_event_ = piece(number - 1).event;
  }
}

JournalInput::Found JournalInput::find(std::uint64_t at) const noexcept {
  std::uint64_t begin = bytes_;
  for (std::uint64_t number = count_; number > 0 && count_ - number < kPieces_max; --number) {
    const Piece& here = piece(number - 1);
    begin -= here.bytes;
    if (at < begin) continue;
    const auto within = static_cast<std::size_t>(at - begin);
    return {here.event + here.before + within, here.bytes - within};
  }
  return {kNowhere, 0};
}

bool JournalInput::read(Journal& journal, std::uint64_t at, MutableBytes to) const noexcept {
  while (!to.empty()) {
    const Found found = find(at);
    const std::size_t part = std::min(found.bytes, to.size());
    if (part == 0 || !journal.read_back(found.place, to.first(part))) return false;
    to = to.subspan(part);
    at += part;
  }
  return true;
}

bool JournalInput::read_frame(Journal& journal, std::uint64_t at, Frame& frame) const noexcept {
  std::array<std::byte, kFrameHeader_bytes_max> header;
  if (!read(journal, at, MutableBytes(header).first(2))) return false;
  const auto first = std::to_integer<std::uint8_t>(header[0]);
  const auto second = std::to_integer<std::uint8_t>(header[1]);
  const bool masked = (second & kMaskBit) != 0;
  const std::size_t before = 2 + length_bytes(second);
  const std::size_t key_bytes = masked ? sizeof(MaskingKey) : 0;
  if (!read(journal, at + 2, MutableBytes(header).subspan(2, before + key_bytes - 2))) return false;
  frame.payload = at + before + key_bytes;
  frame.payload_bytes = load_length(second, header.data() + 2);
  frame.control = is_control(static_cast<Opcode>(first & kOpcodeBits));
  frame.key = {};
  if (masked)
    std::copy_n(header.begin() + static_cast<std::ptrdiff_t>(before), 4, frame.key.begin());
  return true;
}

bool JournalInput::hide(Journal& journal, std::uint64_t end, SecretRange range) const noexcept {
  ZW_ASSERT(end >= message_ && end <= bytes_);
  std::uint64_t passed = 0;  // payload bytes of the frames before
  for (std::uint64_t at = message_; at < end;) {
    Frame frame;
    if (!read_frame(journal, at, frame)) return false;
    at = frame.payload + frame.payload_bytes;
    if (frame.control) continue;
    const std::uint64_t frame_end = passed + frame.payload_bytes;
    const std::uint64_t from = std::clamp<std::uint64_t>(range.offset, passed, frame_end);
    const std::uint64_t to = std::clamp<std::uint64_t>(range.offset + range.bytes, from, frame_end);
    if (!hide(journal, frame, from - passed, to - passed)) return false;
    passed = frame_end;
  }
  return true;
}

bool JournalInput::hide(Journal& journal, const Frame& frame, std::uint64_t from,
                        std::uint64_t to) const noexcept {
  std::array<std::byte, 256> hidden;
  while (from < to) {
    const Found found = find(frame.payload + from);
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>({found.bytes, to - from, hidden.size()}));
    for (std::size_t i = 0; i < part; ++i)
      hidden[i] = Journal::kHiddenByte ^ frame.key[(from + i) % frame.key.size()];
    if (part == 0 || !journal.overwrite(found.place, Bytes(hidden).first(part))) return false;
    from += part;
  }
  return true;
}

}  // namespace zenwire::detail
