#pragma once

// The commands of `zenwire`: each is a function that reads its own command line, runs, and says by
// its exit code how it went. docs/command.md documents them.

namespace zenwire::tools {

enum class ExitCode : int {
  ok = 0,              // did what was asked
  failed = 1,          // could not, or not all of it: standard error says why
  usage = 2,           // the command line is wrong; nothing was done
  data_lost = 3,       // it ran, and messages were lost or differ from what was sent
  interrupted = 130,   // by SIGINT (Ctrl-C), before what was asked for was done
  hung_up = 129,       // by SIGHUP, likewise
  terminated = 143,    // by SIGTERM, likewise
  already_gone = 141,  // whoever read standard output has gone: not an error of ours
};

// 128 and the signal, as a shell reports it.
ExitCode exit_code_of_signal(int signal) noexcept;

struct Arguments {
  int count = 0;
  char** values = nullptr;  // values[0] is the command's name
};

ExitCode connect_main(Arguments arguments);
ExitCode record_main(Arguments arguments);
ExitCode replay_main(Arguments arguments);
ExitCode serve_main(Arguments arguments);
ExitCode echo_server_main(Arguments arguments);
ExitCode autobahn_main(Arguments arguments);
ExitCode doctor_main(Arguments arguments);
ExitCode bridge_main(Arguments arguments);
ExitCode bench_main(Arguments arguments);
ExitCode demo_main(Arguments arguments);
ExitCode stats_main(Arguments arguments);
ExitCode config_main(Arguments arguments);

}  // namespace zenwire::tools
