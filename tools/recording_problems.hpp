#pragma once

// What of a recording could not be read, said to a person: nothing is left out in silence.

#include <string>
#include <string_view>

#include <zenwire/engine/recording.hpp>

#include "command.hpp"

namespace zenwire::tools {

// Warns of lines that are no records and of missing ones, notes a torn tail. ok if all of it could
// be read, but for that tail; otherwise data_lost.
ExitCode report_problems(std::string_view command, const std::string& file,
                         const RecordingProblems& problems);

}  // namespace zenwire::tools
