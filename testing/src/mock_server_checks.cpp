// What tests ask of a MockServer: assertions, waits, and copies of what it saw.

#include <algorithm>
#include <cstdio>

#include "mock_server_impl.hpp"

namespace zenwire::testing {
namespace {

constexpr std::size_t kListed_max = 10;

std::string described(std::chrono::nanoseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", std::chrono::duration<double>(time).count());
  return text;
}

std::string plural(std::size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

// The newest of them, a line each.
template <typename Item>
std::string listed(const detail::Newest<Item>& seen, std::string_view noun) {
  const auto& items = seen.items();
  if (seen.end() == 0) return "no " + std::string(noun) + " came";
  std::string text = plural(seen.end(), noun) + " came";
  if (items.size() > kListed_max) text += ", the last of them";
  text += ":";
  for (std::size_t i = items.size() - std::min(items.size(), kListed_max); i < items.size(); ++i)
    text += "\n  client " + std::to_string(items[i].client) + ": " + describe(items[i]);
  return text;
}

// Looks at each item once, over all changes.
template <typename Item, typename Wanted>
class Search {
 public:
  Search(const Sought& sought, Wanted wanted) : sought_(sought), wanted_(std::move(wanted)) {}
  bool met(const detail::Newest<Item>& seen) {
    for (next_ = std::max(next_, seen.first()); next_ < seen.end(); ++next_) {
      const Item& item = seen.items()[next_ - seen.first()];
      const bool theirs = sought_.client == kEveryClient || sought_.client == item.client;
      if (theirs && wanted_(item)) ++found_;
    }
    return found_ >= sought_.times;
  }
  [[nodiscard]] std::string missed(std::string_view what) const {
    return "expected " + plural(sought_.times, what) + " within " + described(sought_.timeout) +
           ", found " + std::to_string(found_);
  }

 private:
  const Sought& sought_;
  Wanted wanted_;
  std::size_t next_ = 0;
  std::size_t found_ = 0;
};

template <typename Item>
std::vector<Item> copies(const detail::Newest<Item>& seen, ClientId client) {
  std::vector<Item> result;
  for (const Item& item : seen.items()) {
    if (client == kEveryClient || client == item.client) result.push_back(item);
  }
  return result;
}

template <typename Total>
Expectation wait_for(const detail::CaptureLog& log, std::chrono::nanoseconds timeout,
                     std::size_t wanted, std::string_view what, Total&& total) {
  if (log.wait(timeout, [&](const detail::CaptureLog& seen) { return total(seen) >= wanted; }))
    return {.met = true};
  return {.met = false,
          .message = "expected " + std::to_string(wanted) + " clients " + std::string(what) +
                     " within " + described(timeout) + ", there were " +
                     std::to_string(log.look(total))};
}

}  // namespace

Expectation MockServer::assert_message_sent(const Matcher& matcher, const Sought& sought) const {
  Search<CapturedMessage, std::function<bool(const CapturedMessage&)>> search(
      sought, [&](const CapturedMessage& message) { return matcher.matches(message.payload); });
  const detail::CaptureLog& log = impl_->log;
  if (log.wait(sought.timeout,
               [&](const detail::CaptureLog& seen) { return search.met(seen.messages); }))
    return {.met = true};
  return {.met = false, .message = log.look([&](const detail::CaptureLog& seen) {
            return search.missed("message") + " that is " + matcher.description() + "; " +
                   listed(seen.messages, "message");
          })};
}

Expectation MockServer::assert_frame_sent(Opcode opcode, const Matcher& matcher,
                                          const Sought& sought) const {
  Search<CapturedFrame, std::function<bool(const CapturedFrame&)>> search(
      sought, [&](const CapturedFrame& frame) {
        return frame.opcode == opcode && matcher.matches(frame.payload);
      });
  const detail::CaptureLog& log = impl_->log;
  if (log.wait(sought.timeout,
               [&](const detail::CaptureLog& seen) { return search.met(seen.frames); }))
    return {.met = true};
  return {.met = false, .message = log.look([&](const detail::CaptureLog& seen) {
            return search.missed(std::string(name(opcode)) + " frame") + " that is " +
                   matcher.description() + "; " + listed(seen.frames, "frame");
          })};
}

Expectation MockServer::assert_no_message_sent(const Matcher& matcher) const {
  for (const CapturedMessage& message : messages()) {
    if (matcher.matches(message.payload))
      return {.met = false,
              .message = "expected no message that is " + matcher.description() + "; client " +
                         std::to_string(message.client) + " sent " + describe(message)};
  }
  return {.met = true};
}

Expectation MockServer::assert_no_violations() const {
  for (const ClientEnd& end : ends()) {
    if (end.violation != Errc::ok)
      return {.met = false,
              .message = "client " + std::to_string(end.client) + ": " +
                         std::string(name(end.violation)) + ": " +
                         std::string(message(end.violation))};
  }
  return {.met = true};
}

Expectation MockServer::wait_for_clients(std::size_t open, std::chrono::nanoseconds timeout) const {
  const auto count = [](const detail::CaptureLog& seen) { return seen.open.size(); };
  if (impl_->log.wait(timeout, [&](const auto& seen) { return count(seen) == open; }))
    return {.met = true};
  return {.met = false,
          .message = "expected " + std::to_string(open) + " open clients within " +
                     described(timeout) + ", there are " + std::to_string(impl_->log.look(count))};
}

Expectation MockServer::wait_for_accepts(std::size_t total,
                                         std::chrono::nanoseconds timeout) const {
  return wait_for(impl_->log, timeout, total, "to be accepted",
                  [](const detail::CaptureLog& seen) { return seen.accepts; });
}

Expectation MockServer::wait_for_opens(std::size_t total, std::chrono::nanoseconds timeout) const {
  return wait_for(impl_->log, timeout, total, "to open",
                  [](const detail::CaptureLog& seen) { return seen.opens; });
}

Expectation MockServer::wait_for_ends(std::size_t total, std::chrono::nanoseconds timeout) const {
  return wait_for(impl_->log, timeout, total, "to end",
                  [](const detail::CaptureLog& seen) { return seen.ended; });
}

std::vector<CapturedMessage> MockServer::messages(ClientId client) const {
  return impl_->log.look(
      [&](const detail::CaptureLog& seen) { return copies(seen.messages, client); });
}

std::vector<CapturedFrame> MockServer::frames(ClientId client) const {
  return impl_->log.look(
      [&](const detail::CaptureLog& seen) { return copies(seen.frames, client); });
}

std::vector<CapturedRequest> MockServer::requests() const {
  return impl_->log.look(
      [&](const detail::CaptureLog& seen) { return copies(seen.requests, kEveryClient); });
}

std::vector<ClientEnd> MockServer::ends() const {
  return impl_->log.look(
      [&](const detail::CaptureLog& seen) { return copies(seen.ends, kEveryClient); });
}

std::vector<ClientId> MockServer::clients() const {
  return impl_->log.look([](const detail::CaptureLog& seen) {
    return std::vector<ClientId>(seen.open.begin(), seen.open.end());
  });
}

void MockServer::forget() {
  impl_->log.change([](detail::CaptureLog& seen) {
    seen.messages.forget();
    seen.frames.forget();
    seen.requests.forget();
    seen.ends.forget();
  });
}

}  // namespace zenwire::testing
