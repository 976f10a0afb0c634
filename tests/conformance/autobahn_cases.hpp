#pragma once

// The 517 cases of the Autobahn testsuite (0.8.2), by its numbers, as scripts. Written from its
// documented behaviour: what each case sends, in which chops, what it has to get back, and how the
// connection has to end for its verdict to be OK and not NON-STRICT.

#include <functional>
#include <string>
#include <vector>

#include "script.hpp"

namespace zenwire::test {

struct AutobahnCase {
  std::string number;  // "9.3.1"
  std::string title;
  std::function<Script()> script;
  std::vector<DeflateRequest> deflate = {};  // empty: not needed
  bool informational = false;
};

// How many messages the cases 12.* and 13.* send: Autobahn's 1000 of each size, or, in a test run
// that should take seconds, half a megabyte of each.
enum class Volume { brief, full };
// What the environment variable ZENWIRE_CONFORMANCE says: "full", or brief.
Volume volume();

// In Autobahn's order.
const std::vector<AutobahnCase>& autobahn_cases();

// Its parts, by Autobahn's first number.
std::vector<AutobahnCase> autobahn_framing();      // 1 to 5
std::vector<AutobahnCase> autobahn_utf8();         // 6
std::vector<AutobahnCase> autobahn_closing();      // 7
std::vector<AutobahnCase> autobahn_sizes();        // 9 and 10
std::vector<AutobahnCase> autobahn_compression();  // 12 and 13

// The sequences of 6.5 to 6.23: bytes, and whether they are UTF-8.
struct Utf8Sequence {
  std::string number;
  std::string bytes;
  bool valid;
};
std::vector<Utf8Sequence> utf8_sequences();

// --- Shapes that many cases share.

// The frames are sent, and their echo is wanted.
Script echoes(std::vector<Frame> frames, std::vector<Event> wanted, std::size_t chop = kOneWrite);
// The end has to fail the connection, after these events.
Script refuses(std::vector<Frame> frames, std::vector<Event> wanted, std::uint16_t code,
               std::size_t chop = kOneWrite);

}  // namespace zenwire::test
