// Deribit's dialect: a session against a mock server that answers as the venue does.

#include <charconv>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/adapters/deribit.hpp>
#include <zenwire/adapters/deribit_call.hpp>
#include <zenwire/adapters/deribit_order.hpp>
#include <zenwire/engine/journal.hpp>
#include <zenwire/engine/recorder.hpp>
#include <zenwire/engine/session.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "allocation_counter.hpp"
#include "loop.hpp"
#include "temporary_directory.hpp"
#include "test_venue.hpp"

namespace zenwire {
namespace {

using namespace adapters;
using testing::CapturedMessage;
using testing::MockServer;
using testing::Script;
using Names = std::vector<std::string>;

std::string id_of(const std::string& text) {
  std::string id(test::text_between(text, R"("id":)", ","));
  id.erase(0, id.find_first_not_of(' '));
  return id;
}

std::string result(const std::string& id, const std::string& value) {
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":)" + value +
         R"(,"usIn":1535043730126248,"usOut":1535043730126250,"usDiff":2,"testnet":true})";
}

std::string refusal(const std::string& id, int code, const std::string& message) {
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"error":{"message":")" + message + R"(","code":)" +
         std::to_string(code) + R"(},"testnet":true})";
}

// Answers as the venue does; `auth_error` refuses the login.
MockServer::MessageHandler venue(int auth_error = 0, int subscribe_error = 0) {
  return [=](const CapturedMessage& message) {
    const std::string& text = message.payload;
    const std::string id = id_of(text);
    const std::string_view method = test::text_between(text, R"("method":")", "\"");
    Script script;
    if (method == "public/auth") {
      if (auth_error != 0) return script.text(refusal(id, auth_error, "invalid_credentials"));
      script.text(
          result(id, R"({"access_token":"access.1","expires_in":900,)"
                     R"("refresh_token":"refresh.1","scope":"session:x","token_type":"bearer"})"));
    } else if (method.ends_with("/subscribe") || method.ends_with("/unsubscribe")) {
      if (subscribe_error != 0) return script.text(refusal(id, subscribe_error, "x"));
      std::string accepted;
      for (const std::string& channel :
           test::quoted_in(test::text_between(text, R"("channels":[)", "]"))) {
        if (channel == "book.NO-SUCH.raw") continue;
        accepted += (accepted.empty() ? "\"" : ",\"") + channel + "\"";
      }
      script.text(result(id, "[" + accepted + "]"));
    } else if (method == "private/buy") {
      script.text(refusal(id, 10028, "too_many_requests"));
    } else if (method == "private/cancel_all") {
      script.text(result(id, "3"));
    } else {
      script.text(result(id, R"({"version":"1.2.26"})"));
    }
    return script;
  };
}

class DeribitTest : public ::testing::Test {
 public:
  void SetUp() override {
    server_.on_message(venue());
    options_.client_id = "me";
    options_.client_secret = "s3cret";
  }
  void TearDown() override {
    if (session_ == nullptr) return;
    session_->stop(std::chrono::seconds(1));
    EXPECT_TRUE(until([&] { return session_->state() == SessionState::stopped; }));
  }
  void make() {
    options_.url = server_.url("/ws/api/v2");
    deribit_ = std::make_unique<Deribit>(methods_, options_);
    SessionOptions options = session_options_;
    deribit_->configure(options);
    options.limiter = limiter_.get();
    options.reconnect.base = std::chrono::milliseconds(10);
    session_ = Session::create(*reactor_, options, deribit_->dialect()).value();
    static_cast<void>(session_->on_message.add(
        Callback<Session&, const Message&>::to<&DeribitTest::on_message>(*this)));
    static_cast<void>(session_->on_subscription.add(
        Callback<Session&, const SubscriptionNews&>::to<&DeribitTest::on_subscription>(*this)));
    static_cast<void>(session_->on_gap.add(
        Callback<Session&, const StreamGap&>::to<&DeribitTest::on_gap>(*this)));
  }
  void open() {
    make();
    session_->start();
    ASSERT_TRUE(until([&] { return session_->is_open(); }));
  }
  template <typename Done>
  bool until(Done&& done) {
    return test::run_until(*reactor_, done);
  }
  Names sent(const std::string& method) {
    Names found;
    for (const CapturedMessage& message : server_.messages())
      if (message.payload.find("\"" + method + "\"") != std::string::npos)
        found.push_back(message.payload);
    return found;
  }

  void on_message(Session&, const Message& message) noexcept {
    messages_.emplace_back(message.text());
  }
  void on_subscription(Session&, const SubscriptionNews& news) noexcept {
    const char* kinds[] = {"+", "!", "-"};
    news_.push_back(kinds[static_cast<int>(news.kind)] + std::string(news.channel));
  }
  void on_gap(Session&, const StreamGap& gap) noexcept {
    gaps_.push_back(std::to_string(gap.gap.from) + "-" + std::to_string(gap.gap.to));
  }
  void on_end(const RequestEnd& end) noexcept {
    outcomes_.push_back(end.outcome);
    errors_.emplace_back(Deribit::note(*session_, end).name);
  }

  MockServer server_ = MockServer::start().value();
  std::unique_ptr<Reactor> reactor_ = test::make_reactor();
  MethodTable methods_;
  std::unique_ptr<RateLimiter> limiter_ =
      RateLimiter::create(deribit_rates(), methods_, reactor_->now_ns()).value();
  DeribitOptions options_;
  SessionOptions session_options_;
  std::unique_ptr<Deribit> deribit_;
  std::unique_ptr<Session> session_;
  Names messages_;
  Names news_;
  Names gaps_;
  std::vector<RequestOutcome> outcomes_;
  Names errors_;
};

TEST_F(DeribitTest, logs_in_sets_the_heartbeat_and_subscribes_in_the_venues_words) {
  make();
  EXPECT_EQ(session_->subscribe("book.BTC-PERPETUAL.raw"), Errc::ok);
  EXPECT_EQ(session_->subscribe("user.orders.any.any.raw"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(sent("public/auth"),
            Names{R"({"jsonrpc":"2.0","id":1,"method":"public/auth","params":{"grant_type":)"
                  R"("client_credentials","client_id":"me","client_secret":"s3cret"}})"});
  EXPECT_EQ(sent("public/set_heartbeat"),
            Names{R"({"jsonrpc":"2.0","id":2,"method":"public/set_heartbeat",)"
                  R"("params":{"interval":10}})"});
  EXPECT_EQ(sent("private/subscribe"),
            Names{R"({"jsonrpc":"2.0","id":3,"method":"private/subscribe","params":{"channels":)"
                  R"(["book.BTC-PERPETUAL.raw","user.orders.any.any.raw"]}})"});
  EXPECT_EQ(news_, (Names{"+book.BTC-PERPETUAL.raw", "+user.orders.any.any.raw"}));
  EXPECT_TRUE(messages_.empty()) << "answers to the session's own requests are no data";
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A login and its renewal, over a stream as it is and one that is compressed.
TEST_F(DeribitTest, the_tokens_of_a_login_are_in_no_recording_and_no_journal) {
  for (const bool deflate : {false, true}) {
    SCOPED_TRACE(deflate);
    const test::TemporaryDirectory directory;
    const std::string journal = directory.path() + "/run.journal";
    const std::string recording = directory.path() + "/run.jsonl";
    server_ = MockServer::start({.deflate = deflate}).value();
    server_.on_message([given = 0](const CapturedMessage& message) mutable {
      if (message.payload.find("public/auth") == std::string::npos)
        return Script().text(result(id_of(message.payload), R"({"version":"1.2.26"})"));
      const std::string number = std::to_string(++given);
      return Script().text(result(
          id_of(message.payload),
          R"({"access_token":"SECRET-access-)" + number + R"(","expires_in":1,)" +
              R"("refresh_token":"SECRET-refresh-)" + number + R"(","token_type":"bearer"})"));
    });
    ReactorOptions reactor_options;
    reactor_options.journal = journal;
    reactor_ = test::make_reactor(reactor_options);
    auto recorder = Recorder::open({.path = recording}).value();
    session_options_.recorder = &recorder;
    session_options_.connect.deflate.enabled = deflate;
    open();
    ASSERT_TRUE(until([&] { return sent("public/auth").size() == 2; }));
    EXPECT_NE(sent("public/auth").back().find("SECRET-refresh-1"), std::string::npos);
    session_->stop();
    ASSERT_TRUE(until([&] { return session_->state() == SessionState::stopped; }));
    EXPECT_FALSE(reactor_->journal_error().has_value());
    session_.reset();
    reactor_.reset();
    ASSERT_TRUE(recorder.close().has_value());
    EXPECT_EQ(file_bytes(recording).find("SECRET"), std::string::npos);
    EXPECT_NE(
        file_bytes(recording).find(R"(\"access_token\":\"***************\",\"expires_in\":1)"),
        std::string::npos);
    EXPECT_EQ(file_bytes(journal).find("SECRET"), std::string::npos);
    EXPECT_NE(file_bytes(journal).find(R"("access_token":"***************","expires_in":1)"),
              std::string::npos);
    const auto report = JournalReplay::open(journal)->run();
    ASSERT_TRUE(report.has_value());
    EXPECT_FALSE(report->divergence.has_value()) << report->divergence->expected;
  }
}

TEST_F(DeribitTest, without_credentials_it_uses_public_methods) {
  options_.client_id.clear();
  make();
  EXPECT_EQ(session_->subscribe("ticker.BTC-PERPETUAL.100ms"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_TRUE(sent("public/auth").empty());
  EXPECT_EQ(sent("public/subscribe").size(), 1u);
}

// An error body passed for success.
TEST_F(DeribitTest, R021_refused_credentials_stop_the_session) {
  server_.on_message(venue(13004));
  make();
  session_->start();
  ASSERT_TRUE(until([&] { return session_->state() == SessionState::stopped; }));
  EXPECT_EQ(session_->last_error().code(), Errc::login_refused);
  EXPECT_EQ(sent("public/auth").size(), 1u);
}

TEST_F(DeribitTest, a_login_during_maintenance_is_tried_again) {
  server_.on_message(venue(11051));
  make();
  session_->start();
  ASSERT_TRUE(until([&] { return sent("public/auth").size() == 2; }));
  server_.on_message(venue());
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
}

TEST_F(DeribitTest, a_test_request_is_answered_at_once_and_is_not_data) {
  open();
  server_.inject_text(R"({"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}})");
  ASSERT_TRUE(until([&] { return sent("public/test").size() == 1; }));
  server_.inject_text(R"({"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}})");
  ASSERT_TRUE(until([&] { return session_->heartbeat().answered == 2; }));
  EXPECT_TRUE(messages_.empty());
  EXPECT_EQ(session_->counters().beats_answered, 1u);
}

TEST_F(DeribitTest, a_channel_that_the_answer_leaves_out_is_rejected) {
  make();
  EXPECT_EQ(session_->subscribe("book.NO-SUCH.raw"), Errc::ok);
  EXPECT_EQ(session_->subscribe("book.BTC-PERPETUAL.raw"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(news_, (Names{"+book.BTC-PERPETUAL.raw", "!book.NO-SUCH.raw"}));
}

TEST_F(DeribitTest, a_busy_venue_is_asked_again_for_a_subscription) {
  server_.on_message(venue(0, 10028));
  make();
  EXPECT_EQ(session_->subscribe("book.BTC-PERPETUAL.raw"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return sent("private/subscribe").size() == 1; }));
  server_.on_message(venue());
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(news_, Names{"+book.BTC-PERPETUAL.raw"});
}

std::string book(const std::string& type, std::uint64_t change_id, std::uint64_t previous) {
  return R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.raw","data":{"type":")" +
         type + R"(","timestamp":1626993723632,)" +
         (previous != 0 ? R"("prev_change_id":)" + std::to_string(previous) + "," : "") +
         R"("instrument_name":"BTC-PERPETUAL","change_id":)" + std::to_string(change_id) +
         R"(,"bids":[["new",0.0015,4714.0]],"asks":[]}}})";
}

TEST_F(DeribitTest, a_book_whose_changes_do_not_link_up_has_a_gap) {
  session_options_.streams_max = 2;
  make();
  EXPECT_EQ(session_->subscribe("book.BTC-PERPETUAL.raw"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  server_.inject_text(book("snapshot", 100, 0));
  server_.inject_text(book("change", 107, 100));
  server_.inject_text(book("change", 120, 115));
  server_.inject_text(book("change", 121, 120));
  ASSERT_TRUE(until([&] { return messages_.size() == 4; }));
  EXPECT_EQ(gaps_, Names{"108-115"});
}

TEST_F(DeribitTest, a_message_whose_fields_come_in_another_order_is_understood_too) {
  make();
  Names seen;
  struct Sink {
    Names& names;
    void on_message(Session&, const Message& message) noexcept {
      names.emplace_back(message.text());
    }
  } sink{seen};
  EXPECT_EQ(session_->subscribe("ticker.X.raw",
                                SubscriptionRegistry::Handler::to<&Sink::on_message>(sink)),
            Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  server_.inject_text(
      R"({"method":"subscription","params":{"data":{"x":1},"channel":"ticker.X.raw"},"jsonrpc":"2.0"})");
  ASSERT_TRUE(until([&] { return seen.size() == 1; }));
}

// --- Orders.

TEST_F(DeribitTest, an_order_is_patched_in_place_and_sent_without_an_allocation) {
  open();
  DeribitOrder order = DeribitOrder::buy(methods_, "BTC-PERPETUAL",
                                         R"("type":"limit","post_only":true,"label":"mm-1")");
  std::uint64_t allocated = 0;
  RequestBegun begun;
  {
    const test::AllocationScope scope;
    order.set_id(session_->next_id());
    order.set_amount("10");
    order.set_price("64250.5");
    begun =
        session_->request({.id = order.id(),
                           .method = order.method(),
                           .on_end = Callback<const RequestEnd&>::to<&DeribitTest::on_end>(*this)},
                          order.payload());
    allocated = scope.count();
  }
  EXPECT_EQ(begun.code, Errc::ok);
  EXPECT_EQ(allocated, 0u);
  ASSERT_TRUE(until([&] { return outcomes_.size() == 1; }));
  std::string text = sent("private/buy").at(0);
  std::erase(text, ' ');
  EXPECT_EQ(text, R"({"jsonrpc":"2.0","id":3,"method":"private/buy","params":{"instrument_name":)"
                  R"("BTC-PERPETUAL","amount":10,"price":64250.5,"type":"limit",)"
                  R"("post_only":true,"label":"mm-1"}})");
  EXPECT_EQ(outcomes_[0], RequestOutcome::refused);
}

TEST_F(DeribitTest, too_many_requests_lowers_the_budget_of_orders) {
  open();
  DeribitOrder order = DeribitOrder::buy(methods_, "BTC-PERPETUAL");
  order.set_id(session_->next_id());
  order.set_amount("10");
  order.set_price("1");
  EXPECT_EQ(session_->time_until(order.method()), 0u);
  const auto begun =
      session_->request({.id = order.id(),
                         .method = order.method(),
                         .on_end = Callback<const RequestEnd&>::to<&DeribitTest::on_end>(*this)},
                        order.payload());
  ASSERT_EQ(begun.code, Errc::ok);
  ASSERT_TRUE(until([&] { return outcomes_.size() == 1; }));
  EXPECT_EQ(errors_[0], "too_many_requests");
  EXPECT_GT(session_->time_until(order.method()), 0u);
  EXPECT_EQ(limiter_->counters().throttled, 1u);
}

TEST(DeribitOrder, fields_are_patched_again_and_again) {
  MethodTable methods;
  DeribitOrder cancel = DeribitOrder::cancel(methods);
  for (const char* id : {"ETH-349280", "1", "USDC-12345678901234567890123456"}) {
    cancel.set_id(7);
    cancel.set_order_id(id);
    std::string text(as_text(cancel.payload()));
    std::erase(text, ' ');
    EXPECT_EQ(text, R"({"jsonrpc":"2.0","id":7,"method":"private/cancel","params":{"order_id":")" +
                        std::string(id) + "\"}}");
  }
  DeribitOrder edit = DeribitOrder::edit(methods, R"("post_only":true)");
  edit.set_order_id("A-1");
  edit.set_amount("0.1");
  edit.set_price("123456789012.123456789");
  edit.set_price("5");
  std::string text(as_text(edit.payload()));
  std::erase(text, ' ');
  EXPECT_EQ(text, R"({"jsonrpc":"2.0","id":0,"method":"private/edit","params":{"order_id":"A-1",)"
                  R"("amount":0.1,"price":5,"post_only":true}})");
  EXPECT_EQ(methods.name(DeribitOrder::cancel_by_label(methods, "x").method()),
            "private/cancel_by_label");
  EXPECT_EQ(as_text(DeribitOrder::cancel_all(methods).payload()).substr(0, 22),
            R"({"jsonrpc":"2.0","id":)");
}

TEST(DeribitError, the_table_knows_what_to_do) {
  struct Row {
    std::int64_t code;
    const char* name;
    DeribitAdvice advice;
  };
  const Row rows[] = {
      {10028, "too_many_requests", DeribitAdvice::slow_down},
      {10009, "not_enough_funds", DeribitAdvice::decide},
      {10047, "matching_engine_queue_full", DeribitAdvice::retry},
      {13004, "invalid_credentials", DeribitAdvice::credentials},
      {13009, "unauthorized", DeribitAdvice::credentials},
      {-32601, "method_not_found", DeribitAdvice::mend},
      {11051, "system_maintenance", DeribitAdvice::retry},
      {4711, "unknown", DeribitAdvice::mend},
      {0, "unknown", DeribitAdvice::mend},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(deribit_error(row.code).name, row.name) << row.code;
    EXPECT_EQ(deribit_error(row.code).advice, row.advice) << row.code;
  }
}

TEST(DeribitCall, writes_named_parameters_of_every_kind) {
  std::array<std::byte, 512> room;
  Draft draft(room, 9);
  DeribitCall(draft, "public/get_order_book")
      .text("instrument_name", "BTC-\"X\"")
      .number("depth", 10)
      .json("include", "true")
      .end();
  EXPECT_EQ(as_text(draft.payload()),
            R"({"jsonrpc":"2.0","id":9,"method":"public/get_order_book","params":)"
            R"({"instrument_name":"BTC-\"X\"","depth":10,"include":true}})");
  EXPECT_TRUE(draft.correlated());
  EXPECT_FALSE(draft.overflowed());
}

}  // namespace
}  // namespace zenwire
