#include "engine_verdict.hpp"

#include "fuzzer.hpp"

namespace zenwire::test {
namespace {

EngineMemory& memory() {
  static EngineMemory made;
  return made;
}

}  // namespace

std::string engine_verdict(const Script& script, EngineEndOptions options,
                           const std::vector<DeflateRequest>& deflate) {
  options.deflate = !deflate.empty();
  EngineEnd end(memory(), options);
  Fuzzer fuzzer(end, options.role == Role::server ? FuzzerRole::client : FuzzerRole::server);
  const bool opened = options.role == Role::server
                          ? fuzzer.connect(deflate)
                          : !fuzzer.read_request().empty() && fuzzer.answer(deflate);
  return opened ? fuzzer.run(script) : fuzzer.error();
}

}  // namespace zenwire::test
