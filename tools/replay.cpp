// zenwire replay: prints the payloads of a recording.

#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>

#include <zenwire/codec/base64.hpp>
#include <zenwire/engine/recording.hpp>
#include <zenwire/engine/replay.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "json_line.hpp"
#include "output.hpp"
#include "recording_problems.hpp"
#include "replay_engine.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kReplayName = "replay";

struct ReplayFlags {
  std::string file;
  double speed = 0;
  std::string direction;
  std::optional<std::uint32_t> connection;
  std::optional<std::uint32_t> session;
  std::string from;
  std::string to;
  bool all = false;
  bool raw = false;
  bool json = false;
  bool metadata = false;
  bool engine = false;

  void add_to(CLI::App& app) {
    app.add_option("FILE", file, "the recording; with --engine a journal")->required();
    app.add_flag("--engine", engine,
                 "run the engine over a journal: the same callbacks and sends, or the first "
                 "divergence");
    app.add_option("--speed", speed,
                   "0: as fast as possible; 1: original timing; 10: ten times as fast")
        ->check(CLI::Range(0.0, 1e9))
        ->capture_default_str();
    app.add_option("--dir", direction, "only what was received (in) or sent (out)")
        ->check(CLI::IsMember({"in", "out"}));
    app.add_option("--conn", connection, "only this connection");
    app.add_option("--session", session, "only this session");
    app.add_option("--from", from,
                   "from this time on: 2026-01-20T15:30:45.5Z, or +SECONDS after the first record")
        ->type_name("TIME");
    app.add_option("--to", to, "up to this time, itself not included")->type_name("TIME");
    app.add_flag("--all", all, "pings, pongs, closes and events too (events with --json only)");
    auto* verbatim =
        app.add_flag("--raw", raw, "print payloads as they are, without base64 or line feed");
    app.add_flag("--json", json, "print the lines of the recording; with --metadata one object")
        ->excludes(verbatim);
    app.add_flag("--metadata", metadata, "print counts, duration, first and last time instead");
  }
};

// Digits and more from the front of `text`; nothing when it is none.
std::optional<double> take_number(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  return error == std::errc{} && at == end && value >= 0 ? std::optional(value) : std::nullopt;
}

// "2026-01-20T15:30:45.123Z", or "+12.5" after `first_ns`.
std::optional<std::uint64_t> parse_time(const std::string& text, std::uint64_t first_ns) {
  if (!text.empty() && text[0] == '+') {
    const auto seconds = take_number(std::string_view(text).substr(1));
    if (!seconds || *seconds > 1e9) return std::nullopt;
    return first_ns + static_cast<std::uint64_t>(std::llround(*seconds * 1e9));
  }
  tm time{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest == nullptr) return std::nullopt;
  std::string_view fraction(rest);
  if (!fraction.empty() && fraction.back() == 'Z') fraction.remove_suffix(1);
  double part = 0;
  if (!fraction.empty()) {
    const auto number =
        fraction[0] == '.' ? take_number("0" + std::string(fraction)) : std::nullopt;
    if (!number) return std::nullopt;
    part = *number;
  }
  const time_t seconds = ::timegm(&time);
  if (seconds < 0) return std::nullopt;
  return static_cast<std::uint64_t>(seconds) * 1'000'000'000 +
         static_cast<std::uint64_t>(std::llround(part * 1e9));
}

// The first record's time: for times that count from it.
std::uint64_t first_time(const Recording& recording) {
  RecordingReader reader(recording);
  const RecordedMessage* first = reader.next();
  return first == nullptr ? 0 : first->ns;
}

Result<ReplayOptions> replay_options(const ReplayFlags& flags, const Recording& recording) {
  ReplayOptions options;
  options.speed = flags.speed;
  if (flags.all) options.types = kAllTypes;
  if (!flags.direction.empty()) {
    options.direction = flags.direction == "in" ? RecordDirection::in : RecordDirection::out;
  }
  options.connection = flags.connection;
  options.session = flags.session;
  const std::uint64_t first_ns = flags.from.empty() && flags.to.empty() ? 0 : first_time(recording);
  for (const auto& [text, target] :
       {std::pair{&flags.from, &options.from_ns}, std::pair{&flags.to, &options.until_ns}}) {
    if (text->empty()) continue;
    const auto time = parse_time(*text, first_ns);
    if (!time) return fail(Errc::invalid_option, "no time: " + *text);
    *target = *time;
  }
  return options;
}

class Printer {
 public:
  explicit Printer(const ReplayFlags& flags) : flags_(flags) {}

  void operator()(const RecordedMessage& message, bool& go_on) noexcept {
    if (flags_.json) {
      output_.write_line(message.json);
    } else if (message.type != RecordType::event) {
      print(message);
    }
    if (flags_.speed > 0) output_.flush();
    go_on = !output_.failed();
  }
  Output& output() noexcept { return output_; }

 private:
  void print(const RecordedMessage& message) noexcept {
    if (flags_.raw) return output_.write(as_text(message.payload));
    if (message.type != RecordType::binary) return output_.write_line(as_text(message.payload));
    encoded_.resize(base64_encoded_bytes(message.payload.size()));
    base64_encode(encoded_.data(), message.payload);
    output_.write_line(encoded_);
  }

  const ReplayFlags& flags_;
  Output output_;
  std::string encoded_;
};

ExitCode print_metadata(const ReplayFlags& flags, const Recording& recording) {
  const RecordingSummary summary = summarize(recording);
  Output output;
  if (flags.json) {
    JsonLine types;
    for (std::size_t i = 0; i < kRecordTypes; ++i) {
      types.add(name(static_cast<RecordType>(i)), summary.by_type[i]);
    }
    JsonLine line;
    line.add("file", flags.file).add("messages", summary.messages);
    line.add("in", summary.in).add("out", summary.out).add_json("types", types.text());
    line.add("bytes_in", summary.bytes_in).add("bytes_out", summary.bytes_out);
    line.add("payload_bytes_max", summary.payload_bytes_max);
    line.add("duration_ns", summary.duration_ns());
    if (summary.first_ns != 0) {
      line.add("first", format_timestamp(summary.first_ns)).add("first_ns", summary.first_ns);
      line.add("last", format_timestamp(summary.last_ns)).add("last_ns", summary.last_ns);
    }
    line.add("malformed_lines", summary.problems.malformed_lines);
    line.add("sequence_gaps", summary.problems.sequence_gaps);
    line.add("torn_bytes", summary.problems.torn_bytes);
    output.write_line(line.text());
  } else {
    output.write_line("messages  " + grouped(summary.messages) + ": " + grouped(summary.in) +
                      " in (" + byte_text(summary.bytes_in) + "), " + grouped(summary.out) +
                      " out (" + byte_text(summary.bytes_out) + ")");
    output.write_line("events    " + grouped(summary.events()));
    output.write_line("largest   " + byte_text(summary.payload_bytes_max));
    if (summary.first_ns != 0) {
      output.write_line("first     " + format_timestamp(summary.first_ns));
      output.write_line("last      " + format_timestamp(summary.last_ns));
    }
    output.write_line("duration  " + duration_text(summary.duration_ns()));
  }
  output.flush();
  return report_problems(kReplayName, flags.file, summary.problems);
}

// Steps through it here rather than with replay(), to see what was met in the file.
ExitCode print_all(const ReplayFlags& flags, const Recording& recording) {
  const auto options = replay_options(flags, recording);
  if (!options) {
    print_error(kReplayName, "cannot use the options", options.error());
    return ExitCode::usage;
  }
  auto replay = Replay::make(recording, *options);
  if (!replay) {
    print_error(kReplayName, "cannot use the options", replay.error());
    return ExitCode::usage;
  }
  Printer printer(flags);
  bool go_on = true;
  const auto now_ns = [] {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
  };
  while (go_on) {
    const auto step = replay->next(now_ns());
    if (!step) break;
    if (flags.speed > 0 && step->due_ns > now_ns()) {
      const timespec due{static_cast<time_t>(step->due_ns / 1'000'000'000),
                         static_cast<long>(step->due_ns % 1'000'000'000)};
      while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) == EINTR) {
      }
    }
    printer(*step->message, go_on);
    replay->advance();
  }
  Output& output = printer.output();
  output.flush();
  if (output.gone()) return ExitCode::already_gone;
  if (output.failed()) {
    print_error(kReplayName, "cannot write standard output",
                Error(Errc::system_error, {}, output.error()));
    return ExitCode::failed;
  }
  return report_problems(kReplayName, flags.file, replay->problems());
}

}  // namespace

ExitCode replay_main(Arguments arguments) {
  ReplayFlags flags;
  CommandLine line(
      kReplayName,
      "Prints the payloads of a recording, one a line: text as it is, binary in base64. "
      "Reads the recordings of zen_websocket as well.",
      "replay session.jsonl --dir in\n"
      "replay session.jsonl --speed 1 --from +10 --to +20\n"
      "replay session.jsonl --metadata --json\n"
      "replay --engine session.journal");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  if (flags.engine) return replay_engine(flags.file, flags.json);
  const auto recording = Recording::open(flags.file);
  if (!recording) {
    print_error(kReplayName, "cannot read " + flags.file, recording.error());
    return ExitCode::failed;
  }
  if (RecordingReader(*recording).next() == nullptr && is_journal(flags.file)) {
    print_refusal(kReplayName, flags.file + " is a journal, not a recording",
                  "zenwire replay --engine " + flags.file);
    return ExitCode::usage;
  }
  return flags.metadata ? print_metadata(flags, *recording) : print_all(flags, *recording);
}

}  // namespace zenwire::tools
