// Four feeds of one stream with seeded delays, losses, deaths and frames cut anywhere, against an
// oracle that is computed from the schedule alone: what comes out, in which order, and when.
//
// The bound that is shown: a message comes out at the moment at which the first complete copy of it
// and of everything before it is here, to the nanosecond. Where no feed has a message, at the
// earlier of two moments: every live feed has gone past it, or gap_wait after the first message
// behind it came.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/codec/frame_reader.hpp>
#include <zenwire/codec/frame_writer.hpp>
#include <zenwire/codec/receive_window.hpp>
#include <zenwire/engine/sequence_gate.hpp>
#include <zenwire/testing/random.hpp>

#include "sanitized.hpp"

namespace zenwire {
namespace {

using testing::Random;

constexpr std::uint64_t kSeeds = test::kSanitized ? 500 : 10'000;
constexpr unsigned kFeeds = 4;
constexpr std::size_t kFeed_bytes_max = std::size_t{1} << 16;
// Times of feed f are f modulo this: no two feeds do anything at the same moment.
constexpr Instant_ns kFeedStep_ns = 8;
static_assert(kFeeds <= kFeedStep_ns);

// Bytes of a feed that arrive together.
struct Chunk {
  Instant_ns at_ns;
  std::size_t end;  // of the feed's bytes
};

struct Feed {
  std::vector<std::byte> bytes;
  std::vector<Chunk> chunks;
  std::vector<Instant_ns> arrivals;  // per message; kNever_ns: never on this feed
  Instant_ns dies_ns = kNever_ns;
};

struct Case {
  const char* name;
  bool losses;  // messages may be on no feed at all
  bool deaths;
  Instant_ns gap_wait_ns;
};

struct Schedule {
  std::vector<std::string> payloads;
  std::array<Feed, kFeeds> feeds;
};

// What came out: a message (from == to), or a gap.
struct Came {
  bool gap;
  std::uint64_t from;
  std::uint64_t to;
  Instant_ns at_ns;
  bool operator==(const Came&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Came& came) {
  return out << (came.gap ? "gap " : "message ") << came.from << " to " << came.to << " at "
             << came.at_ns;
}

// --- The feeds.

std::string payload_of(std::uint64_t sequence, Random& random) {
  std::string payload = std::to_string(sequence) + ":";
  payload.resize(payload.size() + random.skewed(300), static_cast<char>('a' + sequence % 26));
  return payload;
}

void append_frame(std::vector<std::byte>& bytes, const std::string& payload) {
  const std::size_t at = bytes.size();
  bytes.resize(at + frame_bytes(Role::server, payload.size()));
  write_frame(bytes.data() + at, Role::server, Opcode::binary, as_bytes(payload), 0);
}

// A frame comes in pieces, cut anywhere; the last one at its arrival.
void append_chunks(Feed& feed, std::size_t begin, Instant_ns from_ns, Instant_ns arrives_ns,
                   Random& random) {
  std::size_t cut = begin;
  while (cut + 1 < feed.bytes.size() && random.chance_ppm(400'000)) {
    cut = random.between(cut + 1, feed.bytes.size() - 1);
    from_ns = random.between(from_ns, arrives_ns);
    feed.chunks.push_back({from_ns, cut});
  }
  feed.chunks.push_back({arrives_ns, feed.bytes.size()});
}

// Each message leaves the venue at its time, is lost on this feed or not, and comes after a delay,
// behind the one before it.
Feed make_feed(const Schedule& schedule, unsigned index, const std::vector<bool>& must_have,
               std::uint32_t loss_ppm, Random random) {
  Feed feed;
  const std::uint64_t slowness = 1 + random.skewed(2000);
  Instant_ns last_ns = kFeedStep_ns + index;
  for (std::size_t i = 0; i < schedule.payloads.size(); ++i) {
    if (!must_have[i] && random.chance_ppm(loss_ppm)) {
      feed.arrivals.push_back(kNever_ns);
      continue;
    }
    const Instant_ns comes_ns = (100 + i * 50 + random.below(slowness)) * kFeedStep_ns + index;
    const Instant_ns arrives_ns = std::max(last_ns + kFeedStep_ns, comes_ns);
    const std::size_t begin = feed.bytes.size();
    append_frame(feed.bytes, schedule.payloads[i]);
    append_chunks(feed, begin, last_ns, arrives_ns, random);
    feed.arrivals.push_back(arrives_ns);
    last_ns = arrives_ns;
  }
  return feed;
}

void let_die(Feed& feed, Instant_ns dies_ns) {
  feed.dies_ns = dies_ns;
  for (Instant_ns& arrival_ns : feed.arrivals)
    if (arrival_ns >= dies_ns) arrival_ns = kNever_ns;
  std::erase_if(feed.chunks, [&](const Chunk& chunk) { return chunk.at_ns >= dies_ns; });
}

Schedule make_schedule(const Case& at, Random& random) {
  Schedule schedule;
  const std::uint64_t messages = random.between(20, 60);
  for (std::uint64_t i = 1; i <= messages; ++i) schedule.payloads.push_back(payload_of(i, random));
  std::array<std::vector<bool>, kFeeds> must_have;
  must_have.fill(std::vector<bool>(messages, false));
  for (std::uint64_t i = 0; !at.losses && i < messages; ++i)
    must_have[random.below(kFeeds)][i] = true;
  const auto loss_ppm = static_cast<std::uint32_t>(random.below(700'000));
  for (unsigned index = 0; index < kFeeds; ++index) {
    Feed& feed = schedule.feeds[index];
    feed = make_feed(schedule, index, must_have[index], loss_ppm, random.split());
    if (at.deaths && random.chance_ppm(400'000))
      let_die(feed, random.between(100, 100 + messages * 50) * kFeedStep_ns + index);
  }
  return schedule;
}

// --- The oracle: from the schedule alone.

class Oracle {
 public:
  Oracle(const Schedule& schedule, Instant_ns gap_wait_ns)
      : schedule_(schedule),
        gap_wait_ns_(gap_wait_ns),
        first_ns_(schedule.payloads.size(), kNever_ns) {
    for (const Feed& feed : schedule.feeds)
      for (std::size_t i = 0; i < first_ns_.size(); ++i)
        first_ns_[i] = std::min(first_ns_[i], feed.arrivals[i]);
  }

  std::vector<Came> run() const {
    std::vector<Came> wanted;
    Instant_ns now_ns = 0;
    for (std::size_t i = 0; i < first_ns_.size();) {
      const Instant_ns shown_ns = first_behind_ns(i);
      const Instant_ns due_ns =
          shown_ns == kNever_ns
              ? kNever_ns
              : std::max({now_ns, shown_ns, std::min(hopeless_ns(i), shown_ns + gap_wait_ns_)});
      if (first_ns_[i] == kNever_ns && due_ns == kNever_ns) break;  // nothing behind it
      if (first_ns_[i] <= due_ns) {
        now_ns = std::max(now_ns, first_ns_[i]);
        wanted.push_back({false, i + 1, i + 1, now_ns});
        ++i;
        continue;
      }
      std::size_t next = i + 1;  // what has come by then ends the gap
      while (first_ns_[next] > due_ns) ++next;
      wanted.push_back({true, i + 1, next, due_ns});
      now_ns = due_ns;
      i = next;
    }
    return wanted;
  }

 private:
  // When the first message behind `i` is here: from then on it is known to be missing.
  Instant_ns first_behind_ns(std::size_t i) const {
    const auto rest = first_ns_.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    return rest == first_ns_.end() ? kNever_ns : *std::min_element(rest, first_ns_.end());
  }
  // When every feed has sent a later one or died.
  Instant_ns hopeless_ns(std::size_t i) const {
    Instant_ns latest_ns = 0;
    for (const Feed& feed : schedule_.feeds) {
      Instant_ns passed_ns = feed.dies_ns;
      for (std::size_t later = i + 1; later < feed.arrivals.size(); ++later)
        passed_ns = std::min(passed_ns, feed.arrivals[later]);
      latest_ns = std::max(latest_ns, passed_ns);
    }
    return latest_ns;
  }

  const Schedule& schedule_;
  Instant_ns gap_wait_ns_;
  std::vector<Instant_ns> first_ns_;
};

// --- The gate behind four frame readers.

class Line {
 public:
  Line() : memory_(kFeed_bytes_max + kReadPadding_bytes) {}

  void begin(const Feed& feed) {
    ASSERT_LE(feed.bytes.size(), kFeed_bytes_max);
    feed_ = &feed;
    next_ = taken_ = 0;
    dead_ = false;
    window_ = ReceiveWindow(memory_.data(), kFeed_bytes_max);
    reader_.emplace(Role::client, FrameLimits{});
  }
  [[nodiscard]] Instant_ns next_ns() const {
    if (dead_) return kNever_ns;
    return next_ < feed_->chunks.size() ? feed_->chunks[next_].at_ns : feed_->dies_ns;
  }
  // The next piece, and the messages that it completes; or the line's death.
  void step(unsigned member, SequenceGate& gate) {
    const Instant_ns now_ns = next_ns();
    if (next_ == feed_->chunks.size()) {
      dead_ = true;
      gate.leave(member, now_ns);
      return;
    }
    const std::size_t bytes = feed_->chunks[next_].end - taken_;
    std::memcpy(window_.writable().data(), feed_->bytes.data() + taken_, bytes);
    window_.commit(bytes);
    taken_ += bytes;
    ++next_;
    while (reader_->next(window_) == ReadStatus::message) {
      Message message;
      message.payload = reader_->payload();
      gate.offer(member, SequenceKey::dense(std::strtoull(message.text().data(), nullptr, 10)),
                 message, now_ns);
    }
  }

 private:
  std::vector<std::byte> memory_;
  const Feed* feed_ = nullptr;
  std::size_t next_ = 0;
  std::size_t taken_ = 0;
  bool dead_ = false;
  ReceiveWindow window_;
  std::optional<FrameReader> reader_;
};

class Race {
 public:
  std::vector<Came> run(const Schedule& schedule, const Case& at) {
    schedule_ = &schedule;
    came_.clear();
    SequenceGateOptions options;
    options.gap_wait = std::chrono::nanoseconds(at.gap_wait_ns);
    options.held_bytes_max = std::size_t{64} << 10;
    options.held_max = 64;
    options.window = 64;
    options.contents = 8;
    options.first_sequence = 1;
    options.memory.prefault = false;
    gate_ = SequenceGate::make(options,
                               {.on_message = Callback<const Admitted&>::to<&Race::admit>(*this),
                                .on_gap = Callback<const Gap&>::to<&Race::gap>(*this)})
                .value();
    for (unsigned member = 0; member < kFeeds; ++member) {
      gate_->join(member);
      lines_[member].begin(schedule.feeds[member]);
    }
    while (step()) gate_->invariants();
    return came_;
  }

 private:
  // The earliest thing that happens; at one moment pieces come before the deadline.
  bool step() {
    unsigned earliest = 0;
    for (unsigned member = 1; member < kFeeds; ++member)
      if (lines_[member].next_ns() < lines_[earliest].next_ns()) earliest = member;
    now_ns_ = std::min(lines_[earliest].next_ns(), gate_->deadline_ns());
    if (now_ns_ == kNever_ns) return false;
    if (lines_[earliest].next_ns() == now_ns_) {
      lines_[earliest].step(earliest, *gate_);
    } else {
      gate_->expire(now_ns_);
    }
    return true;
  }
  void admit(const Admitted& admitted) noexcept {
    const std::uint64_t sequence = admitted.key.sequence;
    EXPECT_EQ(admitted.message.text(), schedule_->payloads[sequence - 1]);
    came_.push_back({false, sequence, sequence, now_ns_});
  }
  void gap(const Gap& gap) noexcept { came_.push_back({true, gap.from, gap.to, now_ns_}); }

  const Schedule* schedule_ = nullptr;
  std::unique_ptr<SequenceGate> gate_;
  std::array<Line, kFeeds> lines_;
  Instant_ns now_ns_ = 0;
  std::vector<Came> came_;
};

class SequenceGateFeeds : public ::testing::TestWithParam<Case> {};

TEST_P(SequenceGateFeeds, come_out_as_the_oracle_says_to_the_nanosecond) {
  Race race;
  std::uint64_t messages = 0;
  std::uint64_t gaps = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Random random(seed);
    const Schedule schedule = make_schedule(GetParam(), random);
    const std::vector<Came> wanted = Oracle(schedule, GetParam().gap_wait_ns).run();
    const std::vector<Came> came = race.run(schedule, GetParam());
    ASSERT_EQ(came, wanted) << "seed " << seed;
    for (const Came& at : came) ++(at.gap ? gaps : messages);
    if (GetParam().losses) continue;
    ASSERT_EQ(came.size(), schedule.payloads.size()) << "seed " << seed;
  }
  // The seeds reach what they are meant to reach.
  EXPECT_GT(messages, kSeeds * 10);
  EXPECT_EQ(gaps > kSeeds / 10, GetParam().losses || GetParam().gap_wait_ns < 10'000);
  RecordProperty("messages", static_cast<int>(messages));
}

INSTANTIATE_TEST_SUITE_P(
    All, SequenceGateFeeds,
    ::testing::Values(Case{"every_message_on_some_feed", false, false, 1'000'000},
                      Case{"messages_that_no_feed_has", true, false, 1'000'000},
                      Case{"feeds_that_die", true, true, 1'000'000},
                      Case{"a_wait_shorter_than_the_slowest_feed", true, true, 400}),
    [](const auto& at) { return at.param.name; });

}  // namespace
}  // namespace zenwire
