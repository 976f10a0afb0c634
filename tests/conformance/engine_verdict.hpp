#pragma once

// The verdict on a script that is run against the engine in memory.

#include <string>
#include <vector>

#include "engine_end.hpp"
#include "script.hpp"

namespace zenwire::test {

// Empty if all was as wanted. `deflate`: what the fuzzer asks for; empty is none.
std::string engine_verdict(const Script& script, EngineEndOptions options,
                           const std::vector<DeflateRequest>& deflate = {});

}  // namespace zenwire::test
