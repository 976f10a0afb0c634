#include "nats_publisher.hpp"

#include <condition_variable>
#include <limits>
#include <mutex>

#include <nats/nats.h>

namespace zenwire::tools {
namespace {

constexpr std::int64_t kConfirm_ms = 1000;
constexpr std::int64_t kReconnectWait_ms = 250;

Error error_of(const char* what, natsStatus status) {
  return Error(Errc::connect_failed, std::string(what) + ": " + natsStatus_GetText(status));
}

}  // namespace

struct NatsPublisher::Library {
  natsOptions* options = nullptr;
  natsConnection* connection = nullptr;
  // Written by a thread of the library.
  std::atomic<std::uint64_t> disconnects{0};
  std::mutex mutex;
  std::condition_variable ended;
  bool closed = false;

  // That it is closed is the last that the library's thread says: what it says it to must not be
  // gone before.
  ~Library() {
    if (connection != nullptr) {
      natsConnection_Close(connection);
      std::unique_lock lock(mutex);
      ended.wait(lock, [this] { return closed; });
    }
    natsConnection_Destroy(connection);
    natsOptions_Destroy(options);
  }
  static void on_disconnected(natsConnection*, void* self) {
    static_cast<Library*>(self)->disconnects.fetch_add(1, std::memory_order_relaxed);
  }
  static void on_closed(natsConnection*, void* self) {
    auto& library = *static_cast<Library*>(self);
    const std::lock_guard lock(library.mutex);
    library.closed = true;
    library.ended.notify_all();
  }
};

NatsPublisher::NatsPublisher() : library_(std::make_unique<Library>()) {}
NatsPublisher::~NatsPublisher() = default;

Result<std::unique_ptr<NatsPublisher>> NatsPublisher::connect(const std::string& url,
                                                              const std::string& subject) {
  std::unique_ptr<NatsPublisher> publisher(new NatsPublisher);
  publisher->subject_ = subject;
  Library& library = *publisher->library_;
  natsStatus status = natsOptions_Create(&library.options);
  if (status == NATS_OK) status = natsOptions_SetURL(library.options, url.c_str());
  if (status == NATS_OK) status = natsOptions_SetMaxReconnect(library.options, -1);
  if (status == NATS_OK) status = natsOptions_SetReconnectWait(library.options, kReconnectWait_ms);
  if (status == NATS_OK) {
    status = natsOptions_SetDisconnectedCB(library.options, &Library::on_disconnected, &library);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetClosedCB(library.options, &Library::on_closed, &library);
  }
  if (status == NATS_OK) status = natsConnection_Connect(&library.connection, library.options);
  if (status != NATS_OK) return tl::unexpected(error_of("NATS", status));
  return publisher;
}

// What was published to a connection that broke before the server confirmed it may be lost.
void NatsPublisher::settle_disconnects() noexcept {
  const std::uint64_t disconnects = library_->disconnects.load(std::memory_order_relaxed);
  if (disconnects == counts_.disconnects) return;
  counts_.disconnects = disconnects;
  counts_.unconfirmed = counts_.published - counts_.confirmed;
}

// The library would keep what is published to a server that is away, and lose it silently at the
// end; so it is not given any.
void NatsPublisher::publish(Bytes payload) {
  settle_disconnects();
  const bool fits = payload.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
  const bool sent = fits &&
                    natsConnection_Status(library_->connection) == NATS_CONN_STATUS_CONNECTED &&
                    natsConnection_Publish(library_->connection, subject_.c_str(), payload.data(),
                                           static_cast<int>(payload.size())) == NATS_OK;
  ++(sent ? counts_.published : counts_.dropped);
}

void NatsPublisher::confirm() {
  settle_disconnects();
  if (confirmed_all()) return;
  if (natsConnection_Status(library_->connection) != NATS_CONN_STATUS_CONNECTED) return;
  const natsStatus status = natsConnection_FlushTimeout(library_->connection, kConfirm_ms);
  settle_disconnects();
  if (status == NATS_OK) counts_.confirmed = counts_.published - counts_.unconfirmed;
}

}  // namespace zenwire::tools
