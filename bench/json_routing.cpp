// What the engine looks for in a JSON message before a handler gets it: its channel and sequence
// key (the venue's dialect), the channel's number, and the id of what may be an answer. Over the
// messages of real sessions where they are (ZENWIRE_CAPTURES, or ../shared/data/captures beside the
// repository), and over generated ones. `per_message` is the time of one.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <benchmark/benchmark.h>

#include <zenwire/adapters/deribit.hpp>
#include <zenwire/codec/json_rpc.hpp>
#include <zenwire/engine/channel_table.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/dialect.hpp>
#include <zenwire/engine/recording.hpp>

namespace {

using namespace zenwire;

// Messages as they lie in a receive buffer: one behind the other, padding behind the last.
class Session {
 public:
  void add(std::string_view text) {
    ends_.push_back(bytes_.size() + text.size());
    bytes_ += text;
  }
  // After the last add().
  void finish() { bytes_.resize(bytes_.size() + kReadPadding_bytes); }

  [[nodiscard]] std::size_t count() const noexcept { return ends_.size(); }
  template <typename Visit>
  void for_each(Visit visit) const {
    std::size_t begin = 0;
    for (const std::size_t end : ends_) {
      visit(std::string_view(bytes_).substr(begin, end - begin));
      begin = end;
    }
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

std::filesystem::path captures_folder() {
  const char* const named = std::getenv("ZENWIRE_CAPTURES");
  return named != nullptr && *named != '\0' ? named : ZENWIRE_CAPTURES_BESIDE;
}

// The text messages that the venue sent; none if there is no such capture.
Session captured(const std::filesystem::path& path) {
  Session session;
  const auto recording = Recording::open(path.string());
  if (!recording) return session;
  RecordingReader reader(*recording);
  while (const RecordedMessage* const message = reader.next()) {
    if (message->direction == RecordDirection::in && message->type == RecordType::text)
      session.add(as_text(message->payload));
  }
  session.finish();
  return session;
}

// Seven channels by turns, and every eighth message an answer.
Session generated() {
  Session session;
  for (int i = 0; i < 256; ++i) {
    const std::string number = std::to_string(1'000'000 + i);
    const std::string name = "book.BTC-" + std::to_string(i % 8) + ".raw";
    if (i % 8 == 7) {
      session.add(R"({"jsonrpc":"2.0","id":)" + number +
                  R"(,"result":{"order":{"price":64250.5}}})");
    } else {
      session.add(R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":")" + name +
                  R"(","data":{"type":"change","timestamp":1700000000000,"prev_change_id":)" +
                  number + R"(,"instrument_name":"BTC","change_id":)" + number +
                  R"(1,"bids":[["change",64250.5,1200.0]],"asks":[["delete",64251.0,0.0]]}}})");
    }
  }
  session.finish();
  return session;
}

// Calls look(text) for every message, over and over.
template <typename Look>
void run(benchmark::State& state, const Session& session, Look look) {
  for (auto _ : state) {
    session.for_each([&](std::string_view text) { benchmark::DoNotOptimize(look(text)); });
  }
  using benchmark::Counter;
  state.counters["per_message"] = Counter(static_cast<double>(session.count()),
                                          Counter::kIsIterationInvariantRate | Counter::kInvert);
}

// Which handlers a message is for, and which place it has in its book.
void route_by_channel(benchmark::State& state, const Session& session) {
  MethodTable methods;
  adapters::Deribit venue(methods, {});
  const Dialect dialect = venue.dialect();
  ChannelTable channels(1024, 64);
  const auto facts_of = [&](std::string_view text) {
    Message message;
    message.payload = as_bytes(text);
    MessageFacts facts;
    dialect.classify(message, facts);
    return facts;
  };
  session.for_each([&](std::string_view text) { channels.insert(facts_of(text).channel); });
  run(state, session, [&](std::string_view text) {
    const MessageFacts facts = facts_of(text);
    return channels.find(facts.channel) + static_cast<ChannelIndex>(facts.key.kind);
  });
  state.counters["channels"] = channels.count();
}

// Whether a message answers a request, and which.
void find_id(benchmark::State& state, const Session& session) {
  run(state, session, [](std::string_view text) { return scan_json_rpc(text).id.integer; });
}

void register_all(const std::string& name, const Session& session) {
  benchmark::RegisterBenchmark(("find_id/" + name).c_str(), find_id, session);
  if (name == "deribit" || name == "generated")
    benchmark::RegisterBenchmark(("route_by_channel/" + name).c_str(), route_by_channel, session);
}

[[maybe_unused]] const bool registered = [] {
  register_all("generated", generated());
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(captures_folder(), error))
    if (entry.path().extension() == ".jsonl") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    const Session session = captured(path);
    if (session.count() != 0) register_all(path.stem().string(), session);
  }
  return true;
}();

}  // namespace
