#include "resolver.hpp"

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>

#include <netdb.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <zenwire/base/want_of_memory.hpp>

#include "start_thread.hpp"

namespace zenwire::detail {

struct Resolver::Question {
  ~Question() {
    if (wake_fd >= 0) ::close(wake_fd);
  }

  // The asker's.
  Question* next = nullptr;
  Completion* completion = nullptr;
  ResolveRequest* request = nullptr;
  bool canceled = false;
  // The thread's until `answered`; then the asker's.
  std::string host;
  std::uint16_t port = 0;
  std::vector<Address> addresses;
  std::string error;
  int wake_fd = -1;
  // Release by the thread after it wrote the answer, acquire by the asker before it reads it.
  std::atomic<bool> answered{false};
  // The last of the two to let go frees: acq_rel, so that it sees all that the other did.
  std::atomic<int> holders{2};
  bool out_of_memory = false;  // like the answer
};

Resolver::~Resolver() {
  while (first_ != nullptr) {
    Question* question = first_;
    first_ = question->next;
    let_go(question);
  }
}

void Resolver::let_go(Question* question) noexcept {
  if (question->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete question;
}

void Resolver::look_up(Question& question) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(question.port);
  int failure = ::getaddrinfo(question.host.c_str(), port.c_str(), &hints, &found);
  if (failure == EAI_NONAME ||
      failure == EAI_ADDRFAMILY) {  // a machine with loopback only has no "configured" address
    hints.ai_flags = AI_NUMERICSERV;
    failure = ::getaddrinfo(question.host.c_str(), port.c_str(), &hints, &found);
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(failure == 0 ? found : nullptr,
                                                             &::freeaddrinfo);
  question.out_of_memory = failure == EAI_MEMORY;
  if (failure != 0) question.error = ::gai_strerror(failure);
  for (const addrinfo* entry = owned.get(); entry != nullptr; entry = entry->ai_next) {
    question.addresses.push_back(Address::from_system(entry->ai_addr, entry->ai_addrlen));
  }
}

void Resolver::run(Question* question) noexcept {
  unless_out_of_memory([&] { look_up(*question); }, [&] { question->out_of_memory = true; });
  question->answered.store(true, std::memory_order_release);
  // Only an overflow of 2^64 wake-ups could fail here, and then the asker is awake.
  [[maybe_unused]] const int woken = ::eventfd_write(question->wake_fd, 1);
  let_go(question);
}

void Resolver::ask(Completion& completion, ResolveRequest& request) noexcept {
  completion.mark_submitted();
  if (Question* const question = start(completion, request)) {
    question->next = first_;
    first_ = question;
    return;
  }
  request.completion = &completion;
  request.next = refused_;
  refused_ = &request;
}

// Null for want of memory, of a descriptor or of a thread.
Resolver::Question* Resolver::start(Completion& completion, ResolveRequest& request) noexcept {
  std::unique_ptr<Question> question = or_null([&] {
    auto made = std::make_unique<Question>();
    made->host = request.host;
    return made;
  });
  if (question == nullptr) return nullptr;
  question->completion = &completion;
  question->request = &request;
  question->port = request.port;
  question->wake_fd = ::dup(wake_fd_);
  if (question->wake_fd < 0) return nullptr;
  auto thread = start_thread("resolver", [asked = question.get()] { run(asked); });
  if (!thread) return nullptr;
  thread->detach();
  return question.release();
}

bool Resolver::cancel(const Completion& completion) noexcept {
  for (const ResolveRequest* request = refused_; request != nullptr; request = request->next) {
    if (request->completion == &completion) return true;
  }
  for (Question* question = first_; question != nullptr; question = question->next) {
    if (question->completion != &completion) continue;
    question->canceled = true;
    return true;
  }
  return false;
}

// Fills `out` if the question has its outcome.
bool Resolver::finish(Question& question, Reaped& out) noexcept {
  const bool answered = question.answered.load(std::memory_order_acquire);
  if (!answered && !question.canceled) return false;
  out.completion = question.completion;
  if (!answered) {
    out.outcome = {-ECANCELED, false};
    return true;
  }
  question.request->addresses = std::move(question.addresses);
  question.request->error = std::move(question.error);
  if (question.out_of_memory) {
    out.outcome = {-ENOMEM, false};
    return true;
  }
  const auto count = static_cast<std::int32_t>(question.request->addresses.size());
  out.outcome = {count > 0 ? count : -ENOENT, false};
  return true;
}

std::size_t Resolver::take(std::span<Reaped> out) noexcept {
  std::size_t count = 0;
  for (; refused_ != nullptr && count < out.size(); refused_ = refused_->next)
    out[count++] = {refused_->completion, {-ENOMEM, false}};
  Question** link = &first_;
  while (*link != nullptr && count < out.size()) {
    Question* question = *link;
    if (!finish(*question, out[count])) {
      link = &question->next;
      continue;
    }
    ++count;
    *link = question->next;
    let_go(question);
  }
  return count;
}

}  // namespace zenwire::detail
