#pragma once

// The one file that includes WebSocket++ 0.8.2 is C++17, because its headers are not C++20 (they
// name constructors by template-ids); what measures is C++20. Between them stands this.

#include <cstddef>
#include <string_view>

#include "client_options.hpp"

namespace zenwire::bench {

// Who is called, and what he sends for it.
struct WebsocketppListener {
  void* context = nullptr;
  // Every connection is open: what each of them sends.
  std::string_view (*on_open)(void* context) = nullptr;
  // A message came: what is sent for it, or nothing.
  std::string_view (*on_message)(void* context, std::size_t connection,
                                 std::string_view text) = nullptr;
  // Whether there is no more to come.
  bool (*complete)(void* context) = nullptr;
  // There is no more to come, and the connections are still open: the exit code.
  int (*on_end)(void* context) = nullptr;
};

// Opens the connections and runs until all is complete. An error ends the program.
int run_websocketpp(const ClientOptions& options, const WebsocketppListener& listener);

}  // namespace zenwire::bench
