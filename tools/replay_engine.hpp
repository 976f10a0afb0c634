#pragma once

#include <string>

#include "command.hpp"

namespace zenwire::tools {

// zenwire replay --engine: runs the engine over a journal and says what came of it. data_lost when
// it did something else than the journal holds.
ExitCode replay_engine(const std::string& file, bool json);

// Whether the file is a journal of this version.
bool is_journal(const std::string& file);

}  // namespace zenwire::tools
