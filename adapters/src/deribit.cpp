#include <algorithm>
#include <cstring>
#include <utility>

#include <simdjson.h>

#include <zenwire/adapters/deribit.hpp>
#include <zenwire/adapters/deribit_call.hpp>

namespace zenwire::adapters {
namespace {

static_assert(kReadPadding_bytes >= simdjson::SIMDJSON_PADDING,
              "messages are parsed where they lie");

// How every message of a channel begins: the venue has kept this order since its API's version 2.
// Any other order is parsed.
constexpr std::string_view kSubscription =
    R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":")";
constexpr std::string_view kAnswer = R"({"jsonrpc":"2.0","id":)";
constexpr std::string_view kBook = "book.";
constexpr std::size_t kToken_bytes_max = 2048;
// Of a token's life, when it is renewed.
constexpr int kRenewPercent = 80;
// So many heartbeats may fail to come before the connection is given up.
constexpr std::uint32_t kMissed_max = 3;

using simdjson::ondemand::document;
using simdjson::ondemand::object;

}  // namespace

struct Deribit::Impl {
  explicit Impl(DeribitOptions its_options) : options(std::move(its_options)) {
    const auto error = parser.allocate(options.parse_bytes_max);
    ZW_ASSERT(error == simdjson::SUCCESS);
  }

  void classify(const Message& message, MessageFacts& facts) noexcept;
  void classify_parsed(const Message& message, MessageFacts& facts) noexcept;
  void find_key(const Message& message, MessageFacts& facts) noexcept;
  bool parse(Bytes text, document& parsed) noexcept;
  void write_login(Draft& draft) noexcept;
  void write_renewal(Draft& draft) noexcept;
  void read_login(const RequestEnd& end, LoginAnswer& answer) noexcept;
  bool read_tokens(Bytes text, LoginAnswer& answer) noexcept;
  void write_preparation(Draft& draft) noexcept;
  void write_subscribe(Draft& draft, std::span<const std::string_view> channels) noexcept;
  void write_unsubscribe(Draft& draft, std::span<const std::string_view> channels) noexcept;
  void read_subscription(const RequestEnd& end, SubscriptionAnswer& answer) noexcept;
  void write_beat_answer(Draft& draft) noexcept;
  [[nodiscard]] bool logs_in() const noexcept { return !options.client_id.empty(); }

  DeribitOptions options;
  simdjson::ondemand::parser parser;
  std::array<char, kToken_bytes_max> refresh_token{};
  std::size_t refresh_token_bytes = 0;
  DeribitCounters counters;
  MethodId auth = MethodId::other;
  MethodId set_heartbeat = MethodId::other;
  MethodId subscribe = MethodId::other;
  MethodId unsubscribe = MethodId::other;
  MethodId test = MethodId::other;
};

Deribit::Deribit(MethodTable& methods, DeribitOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  const bool logs_in = impl_->logs_in();
  impl_->auth = methods.intern("public/auth");
  impl_->set_heartbeat = methods.intern("public/set_heartbeat");
  impl_->subscribe = methods.intern(logs_in ? "private/subscribe" : "public/subscribe");
  impl_->unsubscribe = methods.intern(logs_in ? "private/unsubscribe" : "public/unsubscribe");
  impl_->test = methods.intern("public/test");
}

Deribit::~Deribit() {
  ::explicit_bzero(impl_->refresh_token.data(), impl_->refresh_token.size());
}

void Deribit::configure(SessionOptions& options) const {
  options.connect.url = impl_->options.url;
  if (impl_->options.heartbeat.count() == 0) return;
  options.heartbeat = {.kind = HeartbeatKind::server,
                       .interval = impl_->options.heartbeat,
                       .missed_max = kMissed_max,
                       .idle_timeout = options.heartbeat.idle_timeout};
}

Dialect Deribit::dialect() noexcept {
  Impl& impl = *impl_;
  using Channels = std::span<const std::string_view>;
  Dialect dialect;
  dialect.classify = Callback<const Message&, MessageFacts&>::to<&Impl::classify>(impl);
  if (impl.logs_in()) {
    dialect.write_login = Callback<Draft&>::to<&Impl::write_login>(impl);
    dialect.write_renewal = Callback<Draft&>::to<&Impl::write_renewal>(impl);
    dialect.read_login = Callback<const RequestEnd&, LoginAnswer&>::to<&Impl::read_login>(impl);
  }
  if (impl.options.heartbeat.count() > 0)
    dialect.write_preparation = Callback<Draft&>::to<&Impl::write_preparation>(impl);
  dialect.write_subscribe = Callback<Draft&, Channels>::to<&Impl::write_subscribe>(impl);
  dialect.write_unsubscribe = Callback<Draft&, Channels>::to<&Impl::write_unsubscribe>(impl);
  dialect.read_subscription =
      Callback<const RequestEnd&, SubscriptionAnswer&>::to<&Impl::read_subscription>(impl);
  dialect.write_beat_answer = Callback<Draft&>::to<&Impl::write_beat_answer>(impl);
  dialect.login_method = impl.auth;
  dialect.preparation_method = impl.set_heartbeat;
  dialect.subscribe_method = impl.subscribe;
  dialect.unsubscribe_method = impl.unsubscribe;
  dialect.beat_method = impl.test;
  return dialect;
}

const DeribitCounters& Deribit::counters() const noexcept {
  return impl_->counters;
}

const DeribitError& Deribit::note(Session& session, const RequestEnd& end) noexcept {
  if (end.outcome != RequestOutcome::refused) return deribit_error(0);
  const DeribitError& error = deribit_error(find_json_integer(end.head.value, "code").value_or(0));
  if (error.advice == DeribitAdvice::slow_down)
    session.throttled(end.method, std::chrono::nanoseconds(0));
  return error;
}

// --- What is received.

void Deribit::Impl::classify(const Message& message, MessageFacts& facts) noexcept {
  const std::string_view text = message.text();
  if (!text.starts_with(kSubscription)) [[unlikely]]
    return classify_parsed(message, facts);
  facts.role = MessageRole::data;
  const std::string_view rest = text.substr(kSubscription.size());
  facts.channel = rest.substr(0, rest.find('"'));
  if (facts.channel.starts_with(kBook)) find_key(message, facts);
}

bool Deribit::Impl::parse(Bytes text, document& parsed) noexcept {
  if (text.size() > options.parse_bytes_max) {
    ++counters.too_large;
    return false;
  }
  return parser.iterate(as_text(text), text.size() + kReadPadding_bytes).get(parsed) ==
         simdjson::SUCCESS;
}

// Fields in the order of the wire: type, change_id after the instrument, prev_change_id before it.
void Deribit::Impl::find_key(const Message& message, MessageFacts& facts) noexcept {
  document parsed;
  object data;
  if (!parse(message.payload, parsed) ||
      parsed["params"]["data"].get_object().get(data) != simdjson::SUCCESS)
    return;
  std::uint64_t change_id = 0;
  std::uint64_t previous = 0;
  bool snapshot = false;
  bool linked = false;
  for (auto field : data) {
    std::string_view key;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return;
    if (key == "type") {
      std::string_view type;
      snapshot = field.value().get_string().get(type) == simdjson::SUCCESS && type == "snapshot";
    } else if (key == "change_id") {
      if (field.value().get_uint64().get(change_id) != simdjson::SUCCESS) return;
    } else if (key == "prev_change_id") {
      linked = field.value().get_uint64().get(previous) == simdjson::SUCCESS;
    }
  }
  if (change_id == 0) return;
  if (snapshot) facts.key = SequenceKey::snapshot(change_id);
  if (linked && !snapshot) facts.key = SequenceKey::after(previous, change_id);
}

// Heartbeats, and messages whose fields come in another order. What has an id is left to the
// request table.
void Deribit::Impl::classify_parsed(const Message& message, MessageFacts& facts) noexcept {
  if (message.text().starts_with(kAnswer)) return;
  document parsed;
  std::string_view method;
  if (!parse(message.payload, parsed) ||
      parsed["method"].get_string().get(method) != simdjson::SUCCESS)
    return;
  std::string_view value;
  if (method == "heartbeat" &&
      parsed["params"]["type"].get_string().get(value) == simdjson::SUCCESS) {
    facts.role = value == "test_request" ? MessageRole::heartbeat_request : MessageRole::heartbeat;
  } else if (method == "subscription" &&
             parsed["params"]["channel"].get_raw_json_string().error() == simdjson::SUCCESS) {
    facts.role = MessageRole::data;
    const std::string_view text = message.text();
    const std::size_t begin = text.find(R"("channel":")") + std::strlen(R"("channel":")");
    facts.channel = text.substr(begin, text.find('"', begin) - begin);
    if (facts.channel.starts_with(kBook)) find_key(message, facts);
  }
}

// --- Login.

void Deribit::Impl::write_login(Draft& draft) noexcept {
  DeribitCall call(draft, "public/auth");
  call.text("grant_type", "client_credentials").text("client_id", options.client_id);
  call.secret("client_secret", options.client_secret);
  if (!options.scope.empty()) call.text("scope", options.scope);
  call.end();
}

void Deribit::Impl::write_renewal(Draft& draft) noexcept {
  DeribitCall call(draft, "public/auth");
  call.text("grant_type", "refresh_token");
  call.secret("refresh_token", {refresh_token.data(), refresh_token_bytes}).end();
}

// What may pass is tried again; anything else is the key's fault.
void Deribit::Impl::read_login(const RequestEnd& end, LoginAnswer& answer) noexcept {
  if (end.outcome == RequestOutcome::answered) {
    if (!read_tokens(end.answer, answer)) ++counters.unreadable;
    return;
  }
  const auto& error = deribit_error(find_json_integer(end.head.value, "code").value_or(0));
  const bool may_pass =
      error.advice == DeribitAdvice::retry || error.advice == DeribitAdvice::slow_down;
  answer.outcome = may_pass ? Errc::rate_limited : Errc::login_refused;
}

bool Deribit::Impl::read_tokens(Bytes text, LoginAnswer& answer) noexcept {
  document parsed;
  object result;
  std::string_view access;
  if (!parse(text, parsed) || parsed["result"].get_object().get(result) != simdjson::SUCCESS ||
      result["access_token"].get_string().get(access) != simdjson::SUCCESS) {
    answer.outcome = Errc::login_refused;
    return false;
  }
  std::int64_t expires_in = 0;
  std::string_view refresh;
  if (result["expires_in"].get_int64().get(expires_in) != simdjson::SUCCESS ||
      result["refresh_token"].get_string().get(refresh) != simdjson::SUCCESS ||
      refresh.size() > refresh_token.size() || expires_in <= 0)
    return false;
  std::memcpy(refresh_token.data(), refresh.data(), refresh.size());
  refresh_token_bytes = refresh.size();
  constexpr std::int64_t kYear_s = 365 * 86'400;
  answer.renew_after =
      std::chrono::milliseconds(std::min(expires_in, kYear_s) * 1000 * kRenewPercent / 100);
  return true;
}

// --- What is sent.

void Deribit::Impl::write_preparation(Draft& draft) noexcept {
  DeribitCall(draft, "public/set_heartbeat").number("interval", options.heartbeat.count()).end();
}

void Deribit::Impl::write_beat_answer(Draft& draft) noexcept {
  DeribitCall(draft, "public/test").end();
}

namespace {

void write_channels(Draft& draft, std::string_view method,
                    std::span<const std::string_view> channels) noexcept {
  DeribitCall call(draft, method);
  call.json("channels", "[");
  for (std::size_t i = 0; i < channels.size(); ++i)
    draft.text(i == 0 ? "" : ",").quoted(channels[i]);
  draft.text("]");
  call.end();
}

}  // namespace

void Deribit::Impl::write_subscribe(Draft& draft,
                                    std::span<const std::string_view> channels) noexcept {
  write_channels(draft, logs_in() ? "private/subscribe" : "public/subscribe", channels);
}

void Deribit::Impl::write_unsubscribe(Draft& draft,
                                      std::span<const std::string_view> channels) noexcept {
  write_channels(draft, logs_in() ? "private/unsubscribe" : "public/unsubscribe", channels);
}

// The result lists the channels that there are now among those asked for.
void Deribit::Impl::read_subscription(const RequestEnd& end, SubscriptionAnswer& answer) noexcept {
  if (end.outcome == RequestOutcome::refused) {
    const auto& error = deribit_error(find_json_integer(end.head.value, "code").value_or(0));
    const bool may_pass =
        error.advice == DeribitAdvice::retry || error.advice == DeribitAdvice::slow_down;
    if (may_pass) answer.retry_later();
    return;
  }
  document parsed;
  simdjson::ondemand::array channels;
  if (!parse(end.answer, parsed) ||
      parsed["result"].get_array().get(channels) != simdjson::SUCCESS) {
    ++counters.unreadable;
    return;
  }
  for (auto channel : channels) {
    std::string_view name;
    if (channel.get_string().get(name) == simdjson::SUCCESS) answer.accept(name);
  }
}

}  // namespace zenwire::adapters
