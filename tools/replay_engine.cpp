#include "replay_engine.hpp"

#include <array>
#include <cstdio>

#include <zenwire/engine/journal.hpp>

#include "console.hpp"
#include "json_line.hpp"
#include "output.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kReplayEngineName = "replay";

std::string hex(std::uint64_t value) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(value));
  return text.data();
}

void print_json(const std::string& file, const JournalReport& report) {
  JsonLine line;
  line.add("file", file).add("events", report.events).add("callbacks", report.callbacks);
  line.add("sends", report.sends).add("callback_hash", hex(report.callback_hash));
  line.add("identical", !report.divergence).add("torn", report.torn);
  if (report.divergence) {
    JsonLine divergence;
    divergence.add("event", report.divergence->event).add("byte", report.divergence->byte);
    divergence.add("expected", report.divergence->expected).add("got", report.divergence->got);
    line.add_json("divergence", divergence.text());
  }
  Output().write_line(line.text());
}

void print_text(const JournalReport& report) {
  Output output;
  output.write_line("events     " + grouped(report.events));
  output.write_line("callbacks  " + grouped(report.callbacks) + ", hash " +
                    hex(report.callback_hash));
  output.write_line("sends      " + grouped(report.sends));
  output.write_line(report.divergence ? "identical  no" : "identical  yes");
}

void print_divergence(const std::string& file, const JournalDivergence& divergence) {
  print_error(kReplayEngineName, file + " and the engine part",
              Error(Errc::journal_diverged, "event " + grouped(divergence.event) + ", at byte " +
                                                grouped(divergence.byte) + ": expected " +
                                                divergence.expected + ", got " + divergence.got));
}

}  // namespace

bool is_journal(const std::string& file) {
  return JournalReplay::open(file).has_value();
}

ExitCode replay_engine(const std::string& file, bool json) {
  auto journal = JournalReplay::open(file);
  if (!journal) {
    print_error(kReplayEngineName, "cannot read " + file, journal.error());
    return ExitCode::failed;
  }
  const auto report = journal->run();
  if (!report) {
    print_error(kReplayEngineName, "cannot replay " + file, report.error());
    return ExitCode::failed;
  }
  json ? print_json(file, *report) : print_text(*report);
  if (report->torn)
    print_note(kReplayEngineName, file + ": the last event is cut short and left out");
  if (!report->divergence) return ExitCode::ok;
  print_divergence(file, *report->divergence);
  return ExitCode::data_lost;
}

}  // namespace zenwire::tools
