#include "engine_end.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

namespace zenwire::test {
namespace {

constexpr std::size_t kLargeMessage_bytes = std::size_t{16} << 20;
constexpr std::size_t kSend_bytes = std::size_t{64} << 10;

// A test's keys need not be secret.
void fill(void*, MutableBytes bytes) noexcept {
  static std::mt19937 random(1);  // NOLINT: the same in every run
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
}

MutableBytes bytes_of(std::string& memory, std::size_t bytes) {
  return {reinterpret_cast<std::byte*>(memory.data()), bytes};
}

}  // namespace

EngineMemory::EngineMemory()
    : large_(BufferPool::make({.buffer_bytes = kLargeMessage_bytes + kLargeMessage_bytes / 8 +
                                               kLargeMessage_bytes / 32 + 65'536,
                               .buffers = 4})
                 .value()),
      scratch_(detail::kFrameScratch_bytes, '\0'),
      keys_(RandomFill(fill, nullptr), RandomFill(fill, nullptr)),
      services_{.keys = keys_,
                .large = *large_,
                .ticks = TickSource(),
                .frame_scratch = bytes_of(scratch_, scratch_.size()),
                .flush = {},
                .attention = {}} {}

EngineEnd::EngineEnd(EngineMemory& memory, const EngineEndOptions& options)
    : options_(options),
      services_(memory.services()),
      receive_memory_(options.receive_bytes + kReadPadding_bytes, '\0'),
      send_memory_(kSend_bytes, '\0') {
  services_.flush = Callback<Connection&>::to<&EngineEnd::flush>(*this);
  services_.attention = Callback<Connection&>::to<&EngineEnd::attend>(*this);
  connection_.emplace(services_, ConnectionId{0, 1}, options.role,
                      bytes_of(receive_memory_, options.receive_bytes),
                      bytes_of(send_memory_, kSend_bytes));
  using OnMessage = Callback<Connection&, const Message&>;
  EXPECT_TRUE(connection_->on_message.add(OnMessage::to<&EngineEnd::echo>(*this)));
  using OnClosed = Callback<Connection&, const Closed&>;
  EXPECT_TRUE(connection_->on_closed.add(OnClosed::to<&EngineEnd::on_closed>(*this)));
  connect_.url = "ws://localhost/";
  connect_.deflate.enabled = listen_.deflate.enabled = options.deflate;
  constexpr std::array<std::byte, 16> kKey{};
  opening_ =
      options.role == Role::client
          ? Opening::client(connect_, parse_url(connect_.url).value(), {}, nullptr, kKey).value()
          : Opening::server(listen_, nullptr).value();
  open({});
}

EngineEnd::~EngineEnd() {
  if (closed_ || connection_->state() == ConnectionState::opening) return;
  connection_->abort();
  look();
}

// --- Opening.

void EngineEnd::open(std::string_view bytes) {
  const std::size_t taken = std::min(bytes.size(), opening_->space().size());
  if (taken != 0) std::memcpy(opening_->space().data(), bytes.data(), taken);
  opening_->received(taken);
  const auto progress = opening_->advance(0);
  out_ += as_text(opening_->output());
  opening_->output_consume(opening_->output().size());
  if (progress == Opening::Progress::failed) {
    closed_ = opening_->failure().error;
    ended_ = true;
  } else if (progress == Opening::Progress::opened) {
    opened_now();
    feed(bytes.substr(taken));
  } else if (taken < bytes.size()) {
    open(bytes.substr(taken));
  }
}

void EngineEnd::opened_now() {
  established_.limits = options_.limits;
  established_.opened = std::move(opening_->opened());
  const Bytes leftover = opening_->leftover();
  established_.leftover.assign(leftover.begin(), leftover.end());
  if (const auto& agreed = established_.opened.deflate) {
    const bool client = options_.role == Role::client;
    const DeflateSide ours = client ? agreed->client_side() : agreed->server_side();
    const DeflateSide theirs = client ? agreed->server_side() : agreed->client_side();
    const std::size_t bytes = deflate_arena_bytes(ours) + inflate_arena_bytes(theirs) + 64;
    established_.deflate_memory = std::make_unique<std::byte[]>(bytes);
    Arena arena({established_.deflate_memory.get(), bytes});
    established_.deflater = Deflater::open(ours, arena).value();
    established_.inflater = Inflater::open(theirs, arena).value();
  }
  connection_->open(established_);
  connection_->process();
  look();
}

// --- Open.

void EngineEnd::send(std::string_view bytes) {
  if (closed_) return;
  if (connection_->state() == ConnectionState::opening) return open(bytes);
  feed(bytes);
}

// As the reactor: into the space that the connection gives, then everything complete is delivered.
void EngineEnd::feed(std::string_view bytes) {
  while (!bytes.empty() && !closed_) {
    const MutableBytes space = connection_->receive_space();
    ASSERT_FALSE(space.empty()) << "an echo never withholds reading";
    const std::size_t taken = std::min(bytes.size(), space.size());
    std::memcpy(space.data(), bytes.data(), taken);
    connection_->received(taken, 1, 1);
    connection_->process();
    bytes.remove_prefix(taken);
    look();
  }
}

void EngineEnd::echo(Connection& connection, const Message& message) noexcept {
  EXPECT_EQ(connection.send(message.opcode, message.payload), Errc::ok);
}

void EngineEnd::flush(Connection& connection) noexcept {
  while (!connection.output().empty()) {
    out_ += as_text(connection.output());
    connection.output_consume(connection.output().size());
  }
}

std::optional<std::string> EngineEnd::receive() {
  if (!out_.empty()) return std::exchange(out_, {});
  if (ended_) return std::string();
  return std::nullopt;
}

void EngineEnd::end() {
  if (closed_ || connection_->state() == ConnectionState::opening) return;
  connection_->end_of_stream();
  look();
}

void EngineEnd::look() {
  if (connection_->take_half_close()) ended_ = true;
  if (!connection_->is_finished() || closed_) return;
  ended_ = true;
  EXPECT_TRUE(connection_->finish());
}

}  // namespace zenwire::test
