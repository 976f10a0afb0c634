// Several gateway processes on several machines, each with connections of its own, find each other
// through Redis: each registers its members as they connect, takes them out as they disconnect, and
// can ask which there are in all.
//
//   redis_discovery SOCKET NAME URL [CONNECTIONS]
//
// SOCKET is Redis' Unix socket, NAME the gateway's, URL the venue. Ends at SIGINT or SIGTERM.
//
// The hooks run on the reactor's thread, so they only note what happened; a thread of its own talks
// to Redis. While Redis is away, the connections go on and the thread tries again.

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include <hiredis/hiredis.h>

#include <zenwire/zenwire.hpp>

#include "signal_thread.hpp"

namespace {

using namespace zenwire;
using zenwire::examples::SignalThread;

constexpr const char* kKey = "zenwire:members";  // a hash: "gateway/member" to its URL
constexpr auto kRetry = std::chrono::milliseconds(250);
constexpr int kChanges_max = 4096;

// Redis' copy of who is connected, kept by a thread.
class Registry {
 public:
  Registry(std::string socket, std::string gateway, std::string url)
      : socket_(std::move(socket)),
        gateway_(std::move(gateway)),
        url_(std::move(url)),
        thread_([this] { run(); }) {}
  // What is still to be told is told, if Redis is there.
  ~Registry() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The reactor's thread: notes it, and returns.
  void note(MemberIndex member, bool up) {
    {
      const std::lock_guard lock(mutex_);
      if (changes_.size() == kChanges_max) throw std::length_error("Redis is too far behind");
      changes_.push_back({member, up});
    }
    changed_.notify_one();
  }

 private:
  struct Change {
    MemberIndex member;
    bool up;
  };
  using Reply = std::unique_ptr<void, decltype(&freeReplyObject)>;

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !changes_.empty(); });
      if (changes_.empty()) return;
      const Change change = changes_.front();
      lock.unlock();
      const bool told = tell(change);
      lock.lock();
      if (told) {
        changes_.pop_front();
      } else if (stopping_) {
        return;
      } else {
        changed_.wait_for(lock, kRetry, [this] { return stopping_; });
      }
    }
  }

  bool tell(const Change& change) {
    if (!connected()) return false;
    const std::string field = gateway_ + "/" + std::to_string(change.member);
    const Reply reply(
        change.up ? redisCommand(context_.get(), "HSET %s %s %s", kKey, field.c_str(), url_.c_str())
                  : redisCommand(context_.get(), "HDEL %s %s", kKey, field.c_str()),
        &freeReplyObject);
    if (reply == nullptr) {
      context_.reset();  // it broke: connect anew
      return false;
    }
    std::printf("%s %s, %lld in all\n", change.up ? "registered" : "removed", field.c_str(),
                count());
    std::fflush(stdout);
    return true;
  }

  bool connected() {
    if (context_ != nullptr && context_->err == 0) return true;
    context_.reset(redisConnectUnix(socket_.c_str()));
    return context_ != nullptr && context_->err == 0;
  }

  long long count() {
    const Reply reply(redisCommand(context_.get(), "HLEN %s", kKey), &freeReplyObject);
    return reply != nullptr ? static_cast<redisReply*>(reply.get())->integer : 0;
  }

  std::string socket_;
  std::string gateway_;
  std::string url_;
  std::unique_ptr<redisContext, decltype(&redisFree)> context_{nullptr, &redisFree};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Change> changes_;
  bool stopping_ = false;
  std::thread thread_;
};

int run(const char* socket, const char* gateway, const std::string& url, unsigned connections) {
  ReactorOptions options;
  options.idle = Idle::block;
  auto reactor = Reactor::create(options);
  if (!reactor) return EXIT_FAILURE;
  Registry registry(socket, gateway, url);
  const LineHooks hooks{
      .on_connect = {[](void* to, MemberIndex member, Connection&) {
                       static_cast<Registry*>(to)->note(member, true);
                     },
                     &registry},
      .on_disconnect = {[](void* to, MemberIndex member, Connection&, const Closed&) {
                          static_cast<Registry*>(to)->note(member, false);
                        },
                        &registry}};
  const auto pool = Pool::make({.members = connections}).value();
  Lines lines(**reactor, pool.get(), nullptr, {}, hooks);
  for (unsigned i = 0; i < connections; ++i) {
    if (const auto added = lines.add({.url = url}); !added) {
      std::fprintf(stderr, "%s\n", std::string(message(added.error().code())).c_str());
      return EXIT_FAILURE;
    }
  }
  const SignalThread signals([&reactor] { (*reactor)->stop(); });
  return (*reactor)->run() ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int count, char** values) {
  const unsigned connections =
      count > 4 ? static_cast<unsigned>(std::strtoul(values[4], nullptr, 10)) : 2;
  if (count < 4 || connections == 0 || connections > kMembers_max) {
    std::fputs("usage: redis_discovery SOCKET NAME URL [CONNECTIONS]\n", stderr);
    return 2;
  }
  SignalThread::hold_back();
  return run(values[1], values[2], values[3], connections);
}
