#pragma once

// Names to addresses, off every thread that matters: getaddrinfo blocks for as long as a dead name
// server likes, so each question gets a thread of its own, which ends with its answer.
//
// Two parties hold a question: the asker and its thread. Whoever lets go last frees it, so an asker
// that gives up (a deadline passed, a shutdown) never waits for the name server. The thread wakes
// the asker through a duplicate of its event descriptor that the question owns, and so never
// touches an asker that has gone.

#include <cstddef>
#include <span>

#include <zenwire/engine/io.hpp>

namespace zenwire::detail {

class Resolver {
 public:
  // `wake_fd`: an eventfd that ends the asker's wait. Borrowed; it is duplicated for each question.
  explicit Resolver(int wake_fd) noexcept : wake_fd_(wake_fd) {}
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  void ask(Completion&, ResolveRequest&) noexcept;
  // True if the completion was a question of ours: its outcome is then -ECANCELED, unless the
  // answer had come.
  bool cancel(const Completion&) noexcept;
  // Copies out the outcomes that have come.
  std::size_t take(std::span<Reaped> out) noexcept;
  [[nodiscard]] bool asking() const noexcept { return first_ != nullptr || refused_ != nullptr; }

 private:
  struct Question;
  Question* start(Completion&, ResolveRequest&) noexcept;
  static void look_up(Question& question);
  static void run(Question* question) noexcept;
  static void let_go(Question* question) noexcept;
  static bool finish(Question& question, Reaped& out) noexcept;

  int wake_fd_;
  Question* first_ = nullptr;
  ResolveRequest* refused_ = nullptr;  // for want of memory or of a thread
};

}  // namespace zenwire::detail
