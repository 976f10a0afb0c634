// Whether to try again, and when. R0nn names the defect of zen_websocket that a test would have
// caught.

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/reconnect_policy.hpp>

namespace zenwire {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000 * kMillisecond;

ReconnectOptions options_of(std::uint32_t retries_max) {
  ReconnectOptions options;
  options.base = std::chrono::milliseconds(100);
  options.cap = std::chrono::milliseconds(500);
  options.stable_after = std::chrono::seconds(10);
  options.retries_max = retries_max;
  return options;
}

RetryVerdict refuse(ReconnectPolicy& policy) {
  return policy.failed(Errc::connect_refused, 0, std::nullopt);
}

// The waits in milliseconds until the policy gives up, 20 at most.
std::vector<std::uint64_t> waits_after_failures(ReconnectPolicy& policy) {
  std::vector<std::uint64_t> waits;
  for (auto verdict = refuse(policy); verdict.refusal == Errc::ok && waits.size() < 20;
       verdict = refuse(policy)) {
    waits.push_back(verdict.wait_ns / kMillisecond);
  }
  return waits;
}

TEST(ReconnectPolicy, the_backoff_is_base_doubled_and_capped_at_any_exponent) {
  struct Row {
    std::uint64_t base, cap;
    std::uint32_t exponent;
    std::uint64_t wait;
  };
  const Row rows[] = {
      {1000, 30'000, 0, 1000},    {1000, 30'000, 1, 2000},    {1000, 30'000, 2, 4000},
      {1000, 30'000, 4, 16'000},  {1000, 30'000, 5, 30'000},  {1000, 30'000, 10, 30'000},
      {1000, 30'000, 63, 30'000}, {1000, 30'000, 64, 30'000}, {1000, 30'000, 1000, 30'000},
      {1, ~0ULL, 63, 1ULL << 63}, {1, ~0ULL, 64, ~0ULL},      {30'000, 30'000, 0, 30'000},
      {3, ~0ULL, 63, ~0ULL},
  };
  for (const Row& row : rows)
    EXPECT_EQ(ReconnectPolicy::backoff_ns(row.base, row.cap, row.exponent), row.wait)
        << row.base << " * 2^" << row.exponent;
}

TEST(ReconnectPolicy, attempts_are_counted_exactly) {
  struct Row {
    std::uint32_t retries_max;
    std::vector<std::uint64_t> waits;
  };
  const Row rows[] = {
      {0, {}},
      {1, {100}},
      {2, {100, 200}},
      {5, {100, 200, 400, 500, 500}},
  };
  for (const Row& row : rows) {
    ReconnectPolicy policy(options_of(row.retries_max));
    EXPECT_EQ(waits_after_failures(policy), row.waits) << row.retries_max;
    EXPECT_EQ(refuse(policy).refusal, Errc::reconnects_exhausted);
    EXPECT_EQ(policy.retries(), row.retries_max);
  }
  ReconnectPolicy unlimited(options_of(kRetriesUnlimited));
  EXPECT_EQ(waits_after_failures(unlimited).size(), 20u);
}

TEST(ReconnectPolicy, the_first_retry_after_an_established_drop_is_immediate_then_it_backs_off) {
  ReconnectPolicy policy(options_of(kRetriesUnlimited));
  policy.opened(1 * kSecond);
  const auto first = policy.dropped(Errc::connection_lost, 100 * kSecond);
  EXPECT_EQ(first.refusal, Errc::ok);
  EXPECT_EQ(first.wait_ns, 0u);
  EXPECT_EQ(first.retry, 1u);
  EXPECT_EQ(refuse(policy).wait_ns, 100 * kMillisecond);
  EXPECT_EQ(refuse(policy).wait_ns, 200 * kMillisecond);
}

TEST(ReconnectPolicy, a_drop_counts_as_attempts_like_a_failure) {
  ReconnectPolicy none(options_of(0));
  none.opened(1 * kSecond);
  EXPECT_EQ(none.dropped(Errc::connection_lost, 100 * kSecond).refusal, Errc::reconnects_exhausted);
  ReconnectPolicy one(options_of(1));
  one.opened(1 * kSecond);
  EXPECT_EQ(one.dropped(Errc::connection_lost, 100 * kSecond).refusal, Errc::ok);
  EXPECT_EQ(refuse(one).refusal, Errc::reconnects_exhausted);
}

// 4,160 reconnects in 2 s against a server that upgraded and dropped.
TEST(ReconnectPolicy, R033_a_server_that_upgrades_and_drops_is_backed_off_from) {
  ReconnectPolicy policy(options_of(kRetriesUnlimited));
  Instant_ns now = kSecond;
  std::vector<std::uint64_t> waits;
  for (int i = 0; i < 6; ++i) {
    policy.opened(now);
    const auto verdict = policy.dropped(Errc::closed_by_peer, now + kMillisecond);
    waits.push_back(verdict.wait_ns / kMillisecond);
    now += kMillisecond + verdict.wait_ns;
  }
  EXPECT_EQ(waits, (std::vector<std::uint64_t>{0, 100, 200, 400, 500, 500}));
}

// The ability to reconnect shrank over days, because the count was never reset.
TEST(ReconnectPolicy, R007_the_count_starts_anew_after_a_stable_time_and_not_before) {
  struct Row {
    std::uint64_t open_ns;
    bool anew;
  };
  for (const Row& row : {Row{10 * kSecond, true}, Row{10 * kSecond - 1, false}}) {
    ReconnectPolicy policy(options_of(3));
    refuse(policy);
    refuse(policy);
    policy.opened(kSecond);
    const auto verdict = policy.dropped(Errc::connection_lost, kSecond + row.open_ns);
    EXPECT_EQ(verdict.wait_ns, row.anew ? 0 : 400 * kMillisecond);
    EXPECT_EQ(verdict.retry, row.anew ? 1u : 3u);
  }
}

TEST(ReconnectPolicy, each_outage_of_a_stable_connection_has_the_whole_budget) {
  ReconnectPolicy policy(options_of(1));
  Instant_ns now = kSecond;
  for (int outage = 0; outage < 1000; ++outage) {
    policy.opened(now);
    now += 10 * kSecond;
    ASSERT_EQ(policy.dropped(Errc::connection_lost, now).refusal, Errc::ok) << outage;
  }
}

TEST(ReconnectPolicy, R034_refusals_are_told_apart_and_retry_after_is_honoured) {
  struct Row {
    Errc code;
    int status;
    std::optional<std::chrono::seconds> retry_after;
    Errc refusal;
    std::uint64_t wait_ms;
  };
  const Row rows[] = {
      {Errc::http_unauthorized, 401, {}, Errc::http_unauthorized, 0},
      {Errc::http_forbidden, 403, {}, Errc::http_forbidden, 0},
      {Errc::http_redirect, 301, {}, Errc::http_redirect, 0},
      {Errc::http_status, 404, {}, Errc::http_status, 0},
      {Errc::http_status, 408, {}, Errc::ok, 100},
      {Errc::http_status, 502, {}, Errc::ok, 100},
      {Errc::http_status, 504, std::chrono::seconds(3), Errc::ok, 3000},
      {Errc::http_too_many_requests, 429, {}, Errc::ok, 100},
      {Errc::http_too_many_requests, 429, std::chrono::seconds(60), Errc::ok, 60'000},
      {Errc::http_service_unavailable, 503, std::chrono::seconds(7), Errc::ok, 7000},
      {Errc::http_service_unavailable, 503, std::chrono::seconds(0), Errc::ok, 100},
      {Errc::http_too_many_requests, 429, std::chrono::hours(24 * 365), Errc::ok, 3'600'000},
  };
  for (const Row& row : rows) {
    ReconnectPolicy policy(options_of(kRetriesUnlimited));
    const auto verdict = policy.failed(row.code, row.status, row.retry_after);
    EXPECT_EQ(verdict.refusal, row.refusal) << row.status;
    EXPECT_EQ(verdict.wait_ns, row.wait_ms * kMillisecond) << row.status;
  }
}

TEST(ReconnectPolicy, the_table_says_of_every_code_whether_a_retry_can_help) {
  const std::set<Errc> fatal = {Errc::tls_unknown_authority,  Errc::tls_certificate_expired,
                                Errc::tls_host_name_mismatch, Errc::tls_pin_mismatch,
                                Errc::url_malformed,          Errc::http_unauthorized,
                                Errc::http_forbidden,         Errc::login_refused,
                                Errc::reactor_stopping,       Errc::aborted,
                                Errc::session_stopped};
  for (const Errc code : fatal) EXPECT_EQ(retry_class(code), RetryClass::fatal) << name(code);
  const std::set<Errc> passing = {Errc::name_not_resolved,
                                  Errc::connect_refused,
                                  Errc::connect_timeout,
                                  Errc::tls_timeout,
                                  Errc::upgrade_timeout,
                                  Errc::connection_lost,
                                  Errc::tls_truncated,
                                  Errc::closed_by_peer,
                                  Errc::heartbeat_missed,
                                  Errc::idle_timeout,
                                  Errc::login_timeout,
                                  Errc::text_not_utf8,
                                  Errc::tls_alert,
                                  Errc::frame_too_large,
                                  Errc::closed_normally,
                                  Errc::subscription_timeout,
                                  Errc::connections_exhausted};
  for (const Errc code : passing) EXPECT_EQ(retry_class(code), RetryClass::retry) << name(code);
  EXPECT_EQ(retry_class(Errc::http_too_many_requests), RetryClass::retry_after);
}

TEST(ReconnectPolicy, a_fatal_drop_is_not_retried) {
  ReconnectPolicy policy(options_of(kRetriesUnlimited));
  policy.opened(kSecond);
  EXPECT_EQ(policy.dropped(Errc::login_refused, 2 * kSecond).refusal, Errc::login_refused);
}

TEST(ReconnectPolicy, jitter_shortens_within_its_part_and_repeats_with_its_seed) {
  ReconnectOptions options = options_of(kRetriesUnlimited);
  options.jitter_permille = 250;
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    options.jitter_seed = seed;
    ReconnectPolicy one(options);
    ReconnectPolicy same(options);
    for (const std::uint64_t full : {100ULL, 200ULL, 400ULL, 500ULL}) {
      const std::uint64_t wait = refuse(one).wait_ns;
      EXPECT_EQ(wait, refuse(same).wait_ns);
      EXPECT_LE(wait, full * kMillisecond);
      EXPECT_GE(wait, full * kMillisecond * 3 / 4);
      seen.insert(wait);
    }
  }
  EXPECT_GT(seen.size(), 350u);
}

TEST(ReconnectPolicy, options_that_contradict_each_other_are_named) {
  ReconnectOptions options;
  EXPECT_TRUE(options.validate().has_value());
  options.cap = std::chrono::milliseconds(1);
  EXPECT_EQ(options.validate().error().code(), Errc::contradictory_options);
  options = {};
  options.base = {};
  EXPECT_EQ(options.validate().error().code(), Errc::invalid_option);
  options = {};
  options.jitter_permille = 1001;
  EXPECT_EQ(options.validate().error().code(), Errc::invalid_option);
}

}  // namespace
}  // namespace zenwire
