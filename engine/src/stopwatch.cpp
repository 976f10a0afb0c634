#include <algorithm>
#include <utility>

#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/stopwatch.hpp>

namespace zenwire {

// Making the histograms writes zeros into all of them, so no mark faults a page.
Stopwatch::Stopwatch(std::vector<std::string> names)
    : names_(std::move(names)), histograms_(std::make_unique<Histogram[]>(names_.size())) {
  ZW_ASSERT(!names_.empty() && names_.size() <= kStages_max);
}

Result<Stopwatch> Stopwatch::make(std::span<const std::string_view> stages) noexcept {
  return or_memory_exhausted([&]() -> Result<Stopwatch> {
    if (stages.empty() || stages.size() > kStages_max) {
      return fail(Errc::invalid_option, "stopwatch: needs 1 to 64 stages");
    }
    static_assert(kStages_max == 64, "the error says so");
    std::vector<std::string> names;
    for (const std::string_view stage : stages) {
      const bool again = std::find(names.begin(), names.end(), stage) != names.end();
      if (stage.empty() || again) {
        return fail(Errc::invalid_option, "stopwatch: a stage's name is empty or there twice: \"" +
                                              std::string(stage) + "\"");
      }
      names.emplace_back(stage);
    }
    return Stopwatch(std::move(names));
  });
}

std::optional<std::size_t> Stopwatch::find(std::string_view name) const noexcept {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names_.begin());
}

void Stopwatch::clear() noexcept {
  for (std::size_t i = 0; i < names_.size(); ++i) histograms_[i].clear();
}

}  // namespace zenwire
