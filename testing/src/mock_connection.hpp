#pragma once

// One client of a MockServer: its handshake, its frames, and the scripts that play to it.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <zenwire/codec/deflate.hpp>
#include <zenwire/codec/http_head.hpp>
#include <zenwire/codec/upgrade.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "capture_log.hpp"
#include "client_frames.hpp"
#include "mock_transport.hpp"

namespace zenwire::testing::detail {

// What connections need of their server.
struct MockHost {
  CaptureLog& log;
  const MockServerOptions& options;
  // Hands scripts that tests gave to the connections that they are for.
  std::function<void()> take_commands;
  std::function<std::optional<ConnectionPlan>(const CapturedRequest&)> decide;
  std::function<Script(const CapturedMessage&)> reply;
};

// Thread: the server's.
class MockConnection {
 public:
  MockConnection(MockHost& host, ClientId id, int socket, std::optional<TlsStream> tls,
                 ConnectionPlan plan);

  // Something came, there is room again, a script was added, or time has passed.
  void run(bool readable, SteadyTime now);
  void play(const Script& script);
  void release();
  // The server stops.
  void reset() { transport_.end(Script::End::reset); }
  // The kernel says that it is broken, and nobody is reading.
  void lost() noexcept { lost_ = true; }
  [[nodiscard]] bool finished() const noexcept { return lost_ || transport_.finished(); }
  void log_end();

  [[nodiscard]] ClientId id() const noexcept { return id_; }
  [[nodiscard]] int socket() const noexcept { return transport_.socket(); }
  [[nodiscard]] bool wants_read(SteadyTime now) const noexcept {
    return transport_.wants_read(now);
  }
  [[nodiscard]] bool wants_write() const noexcept { return transport_.wants_write(); }
  // When run() is to be called at the latest.
  [[nodiscard]] SteadyTime deadline(SteadyTime now) const noexcept;

 private:
  enum class Phase : std::uint8_t { head, open, over };

  // A script on its way.
  struct Track {
    std::deque<Script::Step> steps;
    std::optional<SteadyTime> due;   // of the delay in front
    std::deque<std::string> unread;  // messages since it began, for its awaits
    bool awaits = false;
    bool released = false;
  };

  static bool waits_for_message(const Track& track);
  void read_head();
  void answer(const HttpRequestHead& head);
  void answer_upgrade(const HttpRequestHead& head, const ClientUpgrade& client);
  [[nodiscard]] std::string switching(const UpgradeResponse& response,
                                      const AcceptKey& accept) const;
  void enable_deflate(const DeflateParameters& agreed);
  void answer_http(const HttpAnswer& answer);
  void refuse(Errc error);
  void open(std::string_view bytes);
  void read_frames();
  void handle(CapturedFrame frame);
  void handle_close(const CapturedFrame& frame);
  void handle_message(CapturedMessage message);
  void violated(Errc error);
  void play_tracks(SteadyTime now);
  void advance(Track& track, SteadyTime now);
  bool step(Track& track, SteadyTime now);
  bool found(Track& track, const Matcher& matcher);
  void send_message(const Script::SendMessage& message);
  void send_close(std::uint16_t code, std::string_view reason);
  [[nodiscard]] std::string deflated(std::string_view payload);

  MockHost& host_;
  ConnectionPlan plan_;
  MockTransport transport_;
  ClientId id_;
  Phase phase_ = Phase::head;
  bool lost_ = false;
  bool close_sent_ = false;
  std::string in_;
  HttpHeadState head_state_;
  ClientFrames frames_;
  std::optional<Deflater> deflater_{};
  std::unique_ptr<std::byte[]> deflate_arena_{};
  std::list<Track> tracks_;
  ClientEnd end_;
};

}  // namespace zenwire::testing::detail
