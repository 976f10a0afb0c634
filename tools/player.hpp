#pragma once

// Player: plays a recording's inbound messages to every connection that a server accepts, each from
// the beginning, whole and in order, then closes with 1000.
//
// Nothing is dropped for a slow client: its messages wait in the recording until there is room.

#include <cstdint>
#include <memory>
#include <unordered_map>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/recording.hpp>
#include <zenwire/engine/replay.hpp>

namespace zenwire::tools {

// Thread: the reactor's. Outlives the connections that were added; the recording outlives it.
class Player {
 public:
  // `loop`: starts over at the end instead of closing.
  Player(Reactor& reactor, const Recording& recording, const ReplayOptions& options,
         bool loop = false) noexcept
      : reactor_(reactor), recording_(recording), options_(options), loop_(loop) {}
  ~Player();
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  // In on_open.
  void add(Connection& connection);

  [[nodiscard]] std::uint64_t messages_sent() const noexcept { return messages_sent_; }
  [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  // Clients that got all of it, and that went away before.
  [[nodiscard]] std::uint64_t completed() const noexcept { return completed_; }
  [[nodiscard]] std::uint64_t left_early() const noexcept { return left_early_; }
  // What was met in the recording by the last client that came to its end.
  [[nodiscard]] const RecordingProblems& problems() const noexcept { return problems_; }

 private:
  // What one client has seen.
  struct Seat {
    Seat(Player& player, ConnectionId id, Replay from_the_beginning)
        : owner(player),
          connection(id),
          replay(std::move(from_the_beginning)),
          wake(Callback<Timer&>::to<&Seat::on_wake>(*this)) {}
    void on_wake(Timer&) noexcept { owner.play(*this); }

    Player& owner;
    ConnectionId connection;
    Replay replay;
    Timer wake;
    bool playing = false;  // guards against being called from its own sends
    bool finished = false;
  };

  void play(Seat& seat) noexcept;
  bool play_one(Seat& seat, Connection& connection) noexcept;
  void finish(Seat& seat, Connection& connection, std::uint16_t code) noexcept;
  void wake_at(Seat& seat, Instant_ns deadline_ns) noexcept;
  void on_written(Connection& connection, std::size_t bytes, std::size_t unsent) noexcept;
  void on_closed(Connection& connection, const Closed& closed) noexcept;

  Reactor& reactor_;
  const Recording& recording_;
  ReplayOptions options_;
  bool loop_;
  std::uint64_t messages_sent_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t completed_ = 0;
  std::uint64_t left_early_ = 0;
  RecordingProblems problems_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Seat>> seats_;
};

}  // namespace zenwire::tools
