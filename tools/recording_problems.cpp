#include "recording_problems.hpp"

#include "console.hpp"

namespace zenwire::tools {

ExitCode report_problems(std::string_view command, const std::string& file,
                         const RecordingProblems& problems) {
  if (problems.torn_bytes > 0) {
    print_note(command, file + ": the last line is unfinished, " + byte_text(problems.torn_bytes) +
                            " of it are left out");
  }
  if (problems.malformed_lines > 0) {
    print_warning(command, file + ": " + grouped(problems.malformed_lines) +
                               " lines are no records; the first is line " +
                               std::to_string(problems.first_malformed_line) + ": " +
                               std::string(problems.first_malformed_why));
  }
  if (problems.sequence_gaps > 0) {
    print_warning(
        command, file + ": " + grouped(problems.sequence_gaps) + " lines are missing by their seq");
  }
  const bool whole = problems.malformed_lines == 0 && problems.sequence_gaps == 0;
  return whole ? ExitCode::ok : ExitCode::data_lost;
}

}  // namespace zenwire::tools
