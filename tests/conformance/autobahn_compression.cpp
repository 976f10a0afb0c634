// Autobahn's cases 12.* (permessage-deflate by kind of data) and 13.* (by what was agreed). Its
// data files are not ours to ship: ours are made up, of the same kinds.

#include <array>
#include <random>

#include "autobahn_cases.hpp"

namespace zenwire::test {
namespace {

constexpr std::size_t kData_bytes = 256 << 10;
constexpr std::size_t kBriefCase_bytes = 512 << 10;

template <typename Append>
std::string made_up(Append&& append) {
  std::mt19937 random(12);  // NOLINT: the same data in every run
  std::string data;
  while (data.size() < kData_bytes) append(data, random);
  return data;
}

std::string json_data() {
  return made_up([](std::string& data, std::mt19937& random) {
    data += R"({"id":)" + std::to_string(random() % 100'000) + R"(,"name":"Zo\u00eb )" +
            "\xc3\xa4\xe2\x82\xac" + R"(","price":)" + std::to_string(random() % 1000) + ".5," +
            R"("tags":["alpha","beta"],"active":)" + (random() % 2 ? "true" : "false") + "},\n";
  });
}

// A grey ramp with noise in its low bits.
std::string image_data() {
  return made_up([](std::string& data, std::mt19937& random) {
    data += static_cast<char>((data.size() / 512 & 0xf8) | (random() & 7u));
  });
}

std::string prose_data() {
  static constexpr std::array<const char*, 10> kWords = {"Habe ",
                                                         "nun, ",
                                                         "ach! ",
                                                         "durchaus ",
                                                         "studiert ",
                                                         "mit ",
                                                         "hei\xc3\x9f"
                                                         "em ",
                                                         "Bem\xc3\xbchn. ",
                                                         "Da ",
                                                         "steh "};
  return made_up([](std::string& data, std::mt19937& random) {
    data += kWords[random() % kWords.size()];
    if (random() % 8 == 0) data += "\r\n";
  });
}

std::string html_data() {
  return made_up([](std::string& data, std::mt19937& random) {
    data += "<tr class=\"row" + std::to_string(random() % 4) + "\"><td>" +
            std::to_string(random()) + "</td><td>&mdash;</td></tr>\n";
  });
}

// Mostly what cannot be compressed, as in a file whose parts are compressed already.
std::string document_data() {
  return made_up([](std::string& data, std::mt19937& random) {
    if (data.size() % 4096 == 0) data += "\nstream\n";
    data += static_cast<char>(random());
  });
}

struct Kind {
  const char* title;
  unsigned opcode;
  std::string (*make)();
};
constexpr std::array<Kind, 5> kKinds{{{"JSON", kText, json_data},
                                      {"an image", kBinary, image_data},
                                      {"German prose", kText, prose_data},
                                      {"HTML", kText, html_data},
                                      {"a document", kBinary, document_data}}};

// `bytes` bytes from `data`, going round; of text a little more or less, in whole characters.
std::string slice(const std::string& data, unsigned opcode, std::size_t index, std::size_t bytes) {
  const auto is_inside_character = [&](std::size_t at) {
    return opcode == kText && (static_cast<unsigned char>(data[at % data.size()]) & 0xc0) == 0x80;
  };
  std::size_t from = index * bytes;
  std::size_t to = from + bytes;
  while (is_inside_character(from)) ++from;
  while (is_inside_character(to)) ++to;
  std::string text;
  for (; from < to; ++from) text += data[from % data.size()];
  return text;
}

struct Size {
  std::size_t bytes;
  std::size_t fragment_bytes;
};
constexpr std::array<Size, 18> kSizes{{{16, 0},
                                       {64, 0},
                                       {256, 0},
                                       {1024, 0},
                                       {4096, 0},
                                       {8192, 0},
                                       {16384, 0},
                                       {32768, 0},
                                       {65536, 0},
                                       {131072, 0},
                                       {8192, 256},
                                       {16384, 256},
                                       {32768, 256},
                                       {65536, 256},
                                       {131072, 256},
                                       {131072, 1024},
                                       {131072, 4096},
                                       {131072, 32768}}};

std::size_t message_count(Size size) {
  return volume() == Volume::full ? 1000
                                  : std::min<std::size_t>(1000, 1 + kBriefCase_bytes / size.bytes);
}

Script compressed(const Kind& kind, Size size) {
  return {{EchoEach{.opcode = kind.opcode,
                    .count = message_count(size),
                    .payload = [opcode = kind.opcode, bytes = size.bytes, data = kind.make()](
                                   std::size_t index) { return slice(data, opcode, index, bytes); },
                    .fragment_bytes = size.fragment_bytes,
                    .compressed = true}}};
}

void add_sizes(std::vector<AutobahnCase>& cases, const std::string& group, const Kind& kind,
               const std::vector<DeflateRequest>& deflate) {
  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    cases.push_back({group + std::to_string(i + 1),
                     std::string(kind.title) + " in " + std::to_string(kSizes[i].bytes) +
                         " bytes, fragments of " + std::to_string(kSizes[i].fragment_bytes),
                     [&kind, i] { return compressed(kind, kSizes[i]); }, deflate});
  }
}

}  // namespace

std::vector<AutobahnCase> autobahn_compression() {
  const std::vector<std::vector<DeflateRequest>> agreements = {{{false, 0}},
                                                               {{true, 0}},
                                                               {{false, 9}},
                                                               {{false, 15}},
                                                               {{true, 9}},
                                                               {{true, 15}},
                                                               {{true, 9}, {true, 0}, {false, 0}}};
  std::vector<AutobahnCase> cases;
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    add_sizes(cases, "12." + std::to_string(i + 1) + ".", kKinds[i], {{false, 0}});
  }
  for (std::size_t i = 0; i < agreements.size(); ++i) {
    add_sizes(cases, "13." + std::to_string(i + 1) + ".", kKinds[0], agreements[i]);
  }
  return cases;
}

}  // namespace zenwire::test
