#include "budget_file.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "message.hpp"

namespace zenwire::bench {
namespace {

constexpr std::int64_t kConnections_max = 10'000;
constexpr std::int64_t kMessage_bytes_max = std::int64_t{1} << 20;
constexpr std::int64_t kMessages_max = 1'000'000'000;

class Reader {
 public:
  Reader(std::string_view name, BenchStage& stage) : name_(name), stage_(stage) {}

  Result<void> read(const toml::table& section) {
    for (const auto& [key, node] : section) {
      if (auto good = read_key(key.str(), node); !good) return good;
    }
    return check(section);
  }

 private:
  [[nodiscard]] tl::unexpected<Error> wrong(const toml::node& at, const std::string& what) const {
    return fail(Errc::invalid_option, name_ + ":" + std::to_string(at.source().begin.line) + ": [" +
                                          stage_.name + "] " + what);
  }

  Result<void> read_key(std::string_view key, const toml::node& node) {
    if (key == "scenario") return read_scenario(node);
    if (key == "tls") return put(key, node, stage_.tls);
    if (key == "open_loop") return put(key, node, stage_.open_loop);
    if (key == "connections") return put(key, node, stage_.connections, 1, kConnections_max);
    if (key == "message_bytes") {
      return put(key, node, stage_.message_bytes, kMessage_bytes_min, kMessage_bytes_max);
    }
    if (key == "messages") return put(key, node, stage_.messages, 1, kMessages_max);
    if (key == "rate_per_s") return put(key, node, stage_.rate_per_s, 1, 1e7);
    for (std::size_t i = 0; i < kMeasures; ++i) {
      if (key == bench::name(static_cast<Measure>(i)))
        return read_limit(static_cast<Measure>(i), node);
    }
    return wrong(node, "there is no key \"" + std::string(key) + "\"; see zenwire bench --help");
  }

  Result<void> read_scenario(const toml::node& node) {
    const auto text = node.value<std::string_view>();
    std::string known;
    for (const Mode scenario : kScenarios) {
      if (text == scenario_name(scenario)) {
        stage_.scenario = scenario;
        return {};
      }
      known += (known.empty() ? "" : ", ") + std::string(scenario_name(scenario));
    }
    return wrong(node, "scenario is one of " + known);
  }

  Result<void> read_limit(Measure measure, const toml::node& node) {
    StageLimit limit{measure};
    auto good = put(bench::name(measure), node, limit.goal, 0, 1e9);
    if (good) stage_.limits.push_back(limit);
    return good;
  }

  Result<void> put(std::string_view key, const toml::node& node, bool& value) {
    const auto* const found = node.as_boolean();
    if (found == nullptr) return wrong(node, std::string(key) + " is true or false");
    value = found->get();
    return {};
  }
  Result<void> put(std::string_view key, const toml::node& node, double& value, double low,
                   double high) {
    const auto found = node.is_number() ? node.value<double>() : std::nullopt;
    if (!found || !(*found >= low && *found <= high)) {
      return wrong(node, std::string(key) + " is a number from " +
                             std::to_string(static_cast<std::int64_t>(low)) + " to " +
                             std::to_string(static_cast<std::int64_t>(high)));
    }
    value = *found;
    return {};
  }
  template <typename Number>
  Result<void> put(std::string_view key, const toml::node& node, Number& value, std::int64_t low,
                   std::int64_t high) {
    const auto* const found = node.as_integer();
    if (found == nullptr || found->get() < low || found->get() > high) {
      return wrong(node, std::string(key) + " is a whole number from " + std::to_string(low) +
                             " to " + std::to_string(high));
    }
    value = static_cast<Number>(found->get());
    return {};
  }

  // What cannot be measured together.
  [[nodiscard]] Result<void> check(const toml::table& section) const {
    const bool one_only = stage_.scenario == Mode::echo || stage_.scenario == Mode::strategy;
    if (!section.contains("scenario")) return wrong(section, "a stage needs a scenario");
    if (one_only && stage_.connections != 1) {
      return wrong(section,
                   std::string(scenario_name(stage_.scenario)) + " is measured on one connection");
    }
    if (stage_.open_loop && stage_.scenario != Mode::echo) {
      return wrong(section, "open_loop is of an echo; ticks come at a rate anyway");
    }
    for (const StageLimit& limit : stage_.limits) {
      if (!is_possible(limit.measure)) {
        return wrong(section, std::string(bench::name(limit.measure)) + " cannot be measured here");
      }
    }
    return {};
  }

  [[nodiscard]] bool is_possible(Measure measure) const noexcept {
    const bool countable =
        stage_.scenario == Mode::sink || (stage_.scenario == Mode::echo && !stage_.open_loop);
    switch (measure) {
      case Measure::p50_over_floor:
      case Measure::p99_over_floor:
      case Measure::p999_over_floor: return stage_.has_latency();
      case Measure::cpu_over_floor: return !stage_.has_latency();  // others spin
      case Measure::page_faults: return true;
      case Measure::allocations: return stage_.scenario != Mode::strategy;
      case Measure::instructions: return countable;
      case Measure::instructions_over_one: return countable && stage_.connections > 1;
    }
    return false;
  }

  std::string name_;
  BenchStage& stage_;
};

Result<std::vector<BenchStage>> stages_of(const toml::table& file, std::string_view name) {
  std::vector<std::pair<std::uint32_t, BenchStage>> found;
  for (const auto& [key, node] : file) {
    const std::uint32_t line = node.source().begin.line;
    BenchStage stage;
    stage.name = std::string(key.str());
    const toml::table* const section = node.as_table();
    if (section == nullptr) {
      return fail(Errc::invalid_option, std::string(name) + ":" + std::to_string(line) + ": " +
                                            stage.name + " is not within a stage ([NAME])");
    }
    if (auto read = Reader(name, stage).read(*section); !read)
      return tl::unexpected<Error>(read.error());
    std::sort(stage.limits.begin(), stage.limits.end(),
              [](const StageLimit& a, const StageLimit& b) { return a.measure < b.measure; });
    found.emplace_back(line, std::move(stage));
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<BenchStage> stages;
  for (auto& [line, stage] : found) stages.push_back(std::move(stage));
  return stages;
}

}  // namespace

Result<std::vector<BenchStage>> parse_budget(std::string_view toml, std::string_view name) {
  const toml::parse_result parsed = toml::parse(toml, name);
  if (!parsed) {
    const auto& error = parsed.error();
    return fail(Errc::invalid_option, std::string(name) + ":" +
                                          std::to_string(error.source().begin.line) + ": " +
                                          std::string(error.description()));
  }
  auto stages = stages_of(parsed.table(), name);
  if (stages && stages->empty())
    return fail(Errc::invalid_option, std::string(name) + ": names no stage");
  return stages;
}

Result<std::vector<BenchStage>> read_budget(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return fail(Errc::file_unreadable, path);
  return parse_budget(text, path);
}

}  // namespace zenwire::bench
