#pragma once

// RateLimiter: asks before a request goes out what the server would say after it.
//
// A CreditBucket holds credits; a request takes its cost; time refills it. A token bucket and a
// leaky bucket of credits are this one, seen from either side: used() is the water that leaks away.
// Time is integer: a level is kept in units so small that a nanosecond adds a whole number of them,
// and so exact; a year of additions drifts by nothing.
//
// A RateLimiter is the buckets of one account, address or connection at its venue, with what each
// method costs in each of them: a request takes from all or from none. Several connections of one
// reactor may share it (RateLimiters, by key).
//
// Priority: each bucket keeps a reserve for urgent requests, so that a cancel passes when a new
// order would not.
//
// The server knows better. Told that it refused (throttled()), a limiter forgets its credits, waits
// as long as the server said, and then refills at half its rate; each `recover_ns` without another
// refusal gives a sixteenth of the full rate back. Never below one sixteenth.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/method_table.hpp>

namespace zenwire {

enum class Refill : std::uint8_t {
  continuous,  // credits trickle in, every nanosecond its part
  stepped,     // they come at once at the end of each period; a counter that a venue resets each
               // minute is this, with a refill of all credits
};

enum class Priority : std::uint8_t {
  normal,  // leaves the reserve alone
  urgent,  // may use it up: cancels, heartbeats
};

struct BucketSpec {
  std::string_view name{};
  std::uint64_t credits_max = 0;  // the burst; a bucket starts full
  std::uint64_t refill_credits = 0;
  Instant_ns refill_period_ns = 1'000'000'000;
  Refill refill = Refill::continuous;
  std::uint64_t reserve_credits = 0;  // for urgent requests
  Instant_ns recover_ns = 10'000'000'000;
};

// Thread: the reactor's. Cost of take(): a multiplication and some comparisons; a stepped bucket
// divides once a period. Time that goes back counts as standing still.
class CreditBucket {
 public:
  // Parts of the full refill rate.
  static constexpr std::uint32_t kShares = 16;

  // Starts full. The spec is one that RateTable's check accepted.
  CreditBucket(const BucketSpec& spec, Instant_ns now_ns) noexcept;

  [[nodiscard]] bool has(std::uint64_t credits, Priority priority, Instant_ns now_ns) noexcept {
    refill(now_ns);
    return now_ns >= blocked_until_ns_ && level_ >= wanted(credits, priority);
  }
  // has() said so.
  void take(std::uint64_t credits) noexcept {
    ZW_ASSERT(level_ >= credits * unit_);
    level_ -= credits * unit_;
  }
  // Of a request that was not sent after all.
  void give_back(std::uint64_t credits) noexcept;

  // From now until has() would say yes if nothing else is taken meanwhile: 0 for at once, kNever_ns
  // for more than the bucket can ever hold. Exact: a nanosecond earlier has() says no.
  [[nodiscard]] Instant_ns time_until(std::uint64_t credits, Priority priority,
                                      Instant_ns now_ns) const noexcept;

  // The server refused, and asked for `retry_after_ns` (0: did not say).
  void throttled(Instant_ns now_ns, Instant_ns retry_after_ns) noexcept;
  // A stepped bucket steps at `instant_ns` next, and every period from there: to agree with the
  // venue's own clock. Not before the last now_ns.
  void align(Instant_ns instant_ns) noexcept;

  // Whole ones.
  [[nodiscard]] std::uint64_t credits(Instant_ns now_ns) noexcept {
    refill(now_ns);
    return level_ / unit_;
  }
  [[nodiscard]] std::uint64_t credits_max() const noexcept { return full_ / unit_; }
  [[nodiscard]] std::uint32_t share() const noexcept { return share_; }

 private:
  [[nodiscard]] std::uint64_t wanted(std::uint64_t credits, Priority priority) const noexcept {
    return credits * unit_ + (priority == Priority::urgent ? 0 : reserve_);
  }
  void refill(Instant_ns now_ns) noexcept {
    if (share_ != kShares) [[unlikely]]
      recover(now_ns);
    accrue(now_ns);
  }
  void accrue(Instant_ns to_ns) noexcept;
  void add(std::uint64_t periods) noexcept;
  [[nodiscard]] Instant_ns next_reaching(std::uint64_t level) const noexcept;
  void recover(Instant_ns now_ns) noexcept;

  // In units: a credit is `unit_` of them, and each tick (a nanosecond, or a step's period) brings
  // refill_ for each share.
  std::uint64_t level_;
  std::uint64_t full_;
  std::uint64_t reserve_;
  std::uint64_t unit_;
  std::uint64_t refill_;
  Instant_ns period_ns_;  // of a step; 1 for a continuous bucket
  // What came before it is in level_. In the future while the server has us wait.
  Instant_ns refilled_ns_;
  Instant_ns blocked_until_ns_ = 0;
  Instant_ns recover_at_ns_ = kNever_ns;
  Instant_ns recover_ns_;
  std::uint32_t share_ = kShares;
  bool stepped_;
};

// What one request takes from each bucket of its limiter.
inline constexpr std::size_t kBuckets_max = 4;
struct RateCost {
  std::array<std::uint32_t, kBuckets_max> credits{};
  Priority priority = Priority::normal;
};

// What the methods that a pattern fits cost. A pattern is a name, or the start of one and "*".
struct MethodRule {
  std::string_view pattern{};
  std::array<std::uint32_t, kBuckets_max> credits{};
  Priority priority = Priority::normal;
};

// A venue's limits as data. Of several rules that fit the first counts; "*" comes last.
struct RateTable {
  std::string_view name{};
  std::span<const BucketSpec> buckets{};
  std::span<const MethodRule> rules{};

  // Errors: invalid_option (no bucket or too many, no credits, no refill, numbers too large, no
  // rule that fits everything), contradictory_options (a rule asks for more than its bucket holds
  // beyond the reserve); the detail names the bucket or the rule.
  [[nodiscard]] Result<void> validate() const;
};

// Thread: one reactor's. Memory: a RateCost for each method of the table, at creation.
class RateLimiter {
 public:
  struct Counters {
    std::uint64_t granted = 0;
    std::uint64_t refused = 0;
    std::uint64_t throttled = 0;  // by the server
  };

  // `methods` outlives it; the views of `table` need not. Errors: those of RateTable::validate().
  static Result<std::unique_ptr<RateLimiter>> create(const RateTable& table,
                                                     const MethodTable& methods, Instant_ns now_ns);

  // One array element; the rules are looked through once for each method.
  [[nodiscard]] const RateCost& cost(MethodId method) noexcept {
    Priced& priced = priced_[index_of(method)];
    if (!priced.known) [[unlikely]]
      price(method);
    return priced.cost;
  }

  // Takes the cost from every bucket, or nothing. Codes: ok; rate_limited: ask time_until().
  Errc try_take(const RateCost& cost, Instant_ns now_ns) noexcept;
  Errc try_take(MethodId method, Instant_ns now_ns) noexcept {
    return try_take(cost(method), now_ns);
  }
  // See CreditBucket::time_until().
  [[nodiscard]] Instant_ns time_until(const RateCost& cost, Instant_ns now_ns) const noexcept;
  // The request was not sent after all.
  void give_back(const RateCost& cost) noexcept;

  // The server refused a request of this cost: 429 or 503 with its Retry-After, Deribit's 10028.
  // Lowers every bucket that the cost names; all of them if it names none.
  void throttled(const RateCost& cost, Instant_ns now_ns, Instant_ns retry_after_ns = 0) noexcept;
  // Steps of every stepped bucket fall on multiples of its period since 1970.
  void align(Instant_ns now_ns, std::uint64_t wall_ns) noexcept;

  [[nodiscard]] std::size_t bucket_count() const noexcept { return buckets_.size(); }
  [[nodiscard]] CreditBucket& bucket(std::size_t index) noexcept { return buckets_[index]; }
  [[nodiscard]] std::string_view bucket_name(std::size_t index) const noexcept {
    return bucket_names_[index];
  }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] const MethodTable& methods() const noexcept { return methods_; }

  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

 private:
  struct Rule {
    std::string pattern;
    RateCost cost;
  };
  struct Priced {
    RateCost cost;
    bool known = false;
  };

  RateLimiter(const RateTable& table, const MethodTable& methods, Instant_ns now_ns);
  [[gnu::noinline, gnu::cold]] void price(MethodId method) noexcept;

  const MethodTable& methods_;
  std::vector<CreditBucket> buckets_;
  std::vector<Instant_ns> periods_ns_;
  std::vector<Priced> priced_;
  Counters counters_;
  std::vector<std::string> bucket_names_;
  std::vector<Rule> rules_;
};

// The limiters of one reactor, by key: connections that name the same key ("deribit:account-1")
// share one.
class RateLimiters {
 public:
  explicit RateLimiters(const MethodTable& methods) noexcept : methods_(methods) {}

  // The limiter of that key, made from the table if there is none yet. At set-up: it allocates.
  // Errors: those of RateLimiter::create(); contradictory_options if the key has another table.
  Result<RateLimiter*> share(std::string_view key, const RateTable& table, Instant_ns now_ns);

 private:
  struct Shared {
    std::string key;
    std::string table;
    std::unique_ptr<RateLimiter> limiter;
  };

  const MethodTable& methods_;
  std::vector<Shared> shared_;
};

// --- Venue tables. They change: check them against the venue's documents and your account's tier.

// Credits as Deribit's API counts them: matching requests, all others, subscriptions.
const RateTable& deribit_rates() noexcept;
// Weight a minute and orders per 10 seconds of Binance's spot WebSocket API.
const RateTable& binance_rates() noexcept;
// zen_websocket's cost functions and the capacities that its guide gives them.
const RateTable& zen_deribit_rates() noexcept;
const RateTable& zen_binance_rates() noexcept;
const RateTable& zen_simple_rates() noexcept;

// By name: "deribit", "binance", "zen-deribit", "zen-binance", "zen-simple"; null if there is none.
const RateTable* find_rate_table(std::string_view name) noexcept;
std::span<const RateTable* const> rate_tables() noexcept;

}  // namespace zenwire
