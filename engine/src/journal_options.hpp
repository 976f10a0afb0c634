#pragma once

// A reactor's options at the head of its journal: a replay needs the same sizes and limits.

#include <memory>

#include <zenwire/engine/options.hpp>

#include "journal.hpp"

namespace zenwire::detail {

// Opens ReactorOptions::journal and writes its head. Errors: recording_*.
Result<std::unique_ptr<Journal>> create_journal(const ReactorOptions& options);

// The head of a journal: the options of the reactor that wrote it, but for cores and memory. Error:
// journal_malformed.
Result<ReactorOptions> read_head(Journal& journal);

}  // namespace zenwire::detail
