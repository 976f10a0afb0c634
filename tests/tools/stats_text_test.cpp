// stats_table: what a person reads of a page.

#include "stats_text.hpp"

#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include <zenwire/engine/session_state.hpp>
#include <zenwire/engine/telemetry_page.hpp>

namespace zenwire::tools {
namespace {

struct Counts {
  std::uint64_t state = 0;
  std::uint64_t last_close_code = 0;
  std::uint64_t messages = 0;
};
constexpr TelemetryField kFields[] = {{"state", telemetry::FieldKind::gauge},
                                      {"last_close_code", telemetry::FieldKind::gauge},
                                      {"messages"}};

TEST(StatsTable, NamesStatesAndCodesAndGroupsOnlyWhatCounts) {
  const std::string name = "test-" + std::to_string(getpid()) + "-table";
  const auto page = *TelemetryPage::create({.name = name});
  const auto block = *page->add<Counts>("session", kFields);
  page->set_label(block.entry, "one");  // from now on it is read
  Counts& counts = *block.data;
  counts.state = static_cast<std::uint64_t>(SessionState::backoff);
  counts.last_close_code = 1005;
  counts.messages = 1005;
  const auto reader = *TelemetryReader::open(name);
  const std::string table = stats_table(reader);
  EXPECT_NE(table.find(" 9  (backoff)\n"), std::string::npos) << table;
  EXPECT_NE(table.find(" 1005  (no_status)\n"), std::string::npos) << table;
  EXPECT_NE(table.find(" 1,005\n"), std::string::npos) << table;
  counts.state = 200;  // of another version
  EXPECT_NE(stats_table(reader).find(" 200\n"), std::string::npos);
}

}  // namespace
}  // namespace zenwire::tools
