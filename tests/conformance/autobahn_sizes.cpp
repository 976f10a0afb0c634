// Autobahn's cases 9.* (messages to 16 MiB, fragments to 65,536, chops) and 10.* (automatic
// fragmentation).

#include "autobahn_cases.hpp"

namespace zenwire::test {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;

std::string payload_of(unsigned opcode, std::size_t bytes) {
  return std::string(bytes, opcode == kText ? '*' : '\xfe');
}

// One message, or several, each after the echo of the one before.
Script sized(unsigned opcode, std::size_t bytes, std::size_t count, std::size_t fragment_bytes,
             std::size_t chop) {
  const std::string payload = payload_of(opcode, bytes);
  return {{EchoEach{.opcode = opcode,
                    .count = count,
                    .payload = [payload](std::size_t) { return payload; },
                    .fragment_bytes = fragment_bytes,
                    .chop_bytes = chop}}};
}

struct Row {
  std::size_t bytes;
  std::size_t fragment_bytes = 0;
  std::size_t chop_bytes = kOneWrite;
  std::size_t count = 1;
};

void add_group(std::vector<AutobahnCase>& cases, int group, unsigned opcode,
               const std::vector<Row>& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    std::string title = std::to_string(row.count) + " of " + std::to_string(row.bytes) + " bytes";
    if (row.fragment_bytes != 0) title += ", fragments of " + std::to_string(row.fragment_bytes);
    if (row.chop_bytes != kOneWrite) title += ", chops of " + std::to_string(row.chop_bytes);
    cases.push_back(
        {"9." + std::to_string(group) + "." + std::to_string(i + 1), title, [row, opcode] {
           return sized(opcode, row.bytes, row.count, row.fragment_bytes, row.chop_bytes);
         }});
  }
}

}  // namespace

std::vector<AutobahnCase> autobahn_sizes() {
  const std::vector<Row> whole = {{64 * kKiB}, {256 * kKiB}, {kMiB},
                                  {4 * kMiB},  {8 * kMiB},   {16 * kMiB}};
  std::vector<Row> fragmented;
  for (std::size_t bytes = 64; bytes <= 4 * kMiB; bytes *= 4)
    fragmented.push_back({4 * kMiB, bytes});
  std::vector<Row> chopped;
  for (std::size_t bytes = 64; bytes <= 2048; bytes *= 2) chopped.push_back({kMiB, 0, bytes});
  std::vector<Row> many;
  for (const std::size_t bytes : std::initializer_list<std::size_t>{0, 16, 64, 256, 1024, 4096})
    many.push_back({bytes, 0, kOneWrite, 1000});

  std::vector<AutobahnCase> cases;
  int group = 0;
  for (const auto& rows : {whole, fragmented, chopped, many}) {
    add_group(cases, ++group, kText, rows);
    add_group(cases, ++group, kBinary, rows);
  }
  cases.push_back({"10.1.1", "65536 bytes, automatic fragments of 1300",
                   [] { return sized(kText, 65536, 1, 1300, kOneWrite); }});
  return cases;
}

}  // namespace zenwire::test
