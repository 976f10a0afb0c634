// Autobahn's cases 6.*: text that is UTF-8 and text that is not, after Markus Kuhn's stress test.

#include <algorithm>
#include <string_view>

#include "autobahn_cases.hpp"

namespace zenwire::test {
namespace {

const std::string kKosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
const std::string kUmlauts =
    "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!";

struct Group {
  int number;
  bool valid;
  std::vector<std::string> sequences;
};

std::vector<std::string> prefixes(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t i = 1; i <= text.size(); ++i) all.push_back(text.substr(0, i));
  return all;
}

// 80, 80 bf, 80 bf 80, ... and all of them in a row.
std::vector<std::string> stray_continuations() {
  std::vector<std::string> all = {"\x80", "\xbf"};
  std::string alternating = "\x80";
  while (all.size() < 7) {
    alternating += alternating.back() == '\x80' ? '\xbf' : '\x80';
    all.push_back(alternating);
  }
  std::string every;
  for (int byte = 0x80; byte < 0xbf; ++byte) every += static_cast<char>(byte);
  all.push_back(every);
  return all;
}

std::vector<std::string> lonely_starts() {
  constexpr int kRanges[][2] = {
      {0xc0, 0xdf}, {0xe0, 0xef}, {0xf0, 0xf7}, {0xf8, 0xfb}, {0xfc, 0xfd}};
  std::vector<std::string> all;
  for (const auto& range : kRanges) {
    std::string text;
    for (int byte = range[0]; byte < range[1]; ++byte) {
      text += static_cast<char>(byte);
      text += ' ';
    }
    all.push_back(text);
  }
  return all;
}

// U+FFFE and U+FFFF of each of the 17 planes: not characters, but encoded like them.
std::vector<std::string> non_characters() {
  std::vector<std::string> all = {"\xef\xbf\xbe", "\xef\xbf\xbf"};
  for (unsigned plane = 1; plane <= 16; ++plane) {
    for (const char last : {'\xbe', '\xbf'}) {
      all.push_back({static_cast<char>(0xf0 | plane >> 2),
                     static_cast<char>(0x8f | (plane & 3u) << 4), '\xbf', last});
    }
  }
  return all;
}

const std::vector<std::string> kCutShort = {
    "\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
    "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"};

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const auto& part : parts) all += part;
  return all;
}

std::vector<Group> groups() {
  return {
      {5,
       true,
       {"hello\x24world", "hello\xc2\xa2world", "hello\xe2\x82\xacworld",
        "hello\xf0\xa4\xad\xa2world", kKosme}},
      {6, false, prefixes(kKosme)},  // those that end with a whole character are valid
      {7, true, {std::string(1, '\0'), "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"}},
      {8, false, {"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
      {9, true, {"\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"}},
      {10, false, {"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
      {11,
       true,
       {"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf", "\xf4\x90\x80\x80"}},
      {12, false, stray_continuations()},
      {13, false, lonely_starts()},
      {14, false, kCutShort},
      {15, false, {joined(kCutShort)}},
      {16, false, {"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
      {17,
       false,
       {"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf",
        "\xfc\x80\x80\x80\x80\xaf"}},
      {18,
       false,
       {"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf",
        "\xfc\x83\xbf\xbf\xbf\xbf"}},
      {19,
       false,
       {"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80",
        "\xfc\x80\x80\x80\x80\x80"}},
      {20,
       false,
       {"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80",
        "\xed\xbe\x80", "\xed\xbf\xbf"}},
      {21,
       false,
       {"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80",
        "\xed\xad\xbf\xed\xbf\xbf", "\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf",
        "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf"}},
      {22, true, non_characters()},
      {23,
       true,
       {"\xef\xbf\xb9", "\xef\xbf\xba", "\xef\xbf\xbb", "\xef\xbf\xbc", "\xef\xbf\xbd",
        "\xef\xbf\xbe", "\xef\xbf\xbf"}},
  };
}

// The exceptions to what the group says.
bool is_valid(const Group& group, const std::string& sequence) {
  if (group.number == 6) {
    constexpr std::size_t kCharacterEnds[] = {2, 5, 7, 9, 11};
    return std::count(std::begin(kCharacterEnds), std::end(kCharacterEnds), sequence.size()) != 0;
  }
  return group.valid && sequence != "\xf4\x90\x80\x80";
}

Script text_or_refused(const std::string& bytes, bool valid, std::size_t fragment_bytes = 0) {
  const auto frames = fragment_bytes == 0 ? std::vector<Frame>{{kText, bytes}}
                                          : fragments(kText, bytes, fragment_bytes);
  return valid ? echoes(frames, {{kText, bytes}}) : refuses(frames, {}, kInvalidPayload);
}

// 6.4: the end has to fail once `bad` has come, and the rest is never sent.
Script fails_fast_in_fragments(const std::string& bad) {
  return {{Send{{{kText, kKosme, false}}}, StillOpen{}, Send{{{kContinuation, bad, false}}}},
          {},
          fails_with(kInvalidPayload)};
}
Script fails_fast_in_a_frame(const std::string& bad, const std::string& rest) {
  const Frame whole{kText, kKosme + bad + rest};
  return {{SendPart{whole, 0, kKosme.size()}, StillOpen{},
           SendPart{whole, kKosme.size(), kKosme.size() + bad.size()}},
          {},
          fails_with(kInvalidPayload)};
}

}  // namespace

std::vector<Utf8Sequence> utf8_sequences() {
  std::vector<Utf8Sequence> all;
  for (const Group& group : groups()) {
    for (std::size_t i = 0; i < group.sequences.size(); ++i) {
      all.push_back({"6." + std::to_string(group.number) + "." + std::to_string(i + 1),
                     group.sequences[i], is_valid(group, group.sequences[i])});
    }
  }
  return all;
}

std::vector<AutobahnCase> autobahn_utf8() {
  const std::string invalid = kKosme + "\xed\xa0\x80" + "edited";
  const Frame empty_begin{kText, "", false};
  const Frame empty_end{kContinuation};
  std::vector<AutobahnCase> cases;
  cases.push_back({"6.1.1", "an empty text", [] { return text_or_refused("", true); }});
  cases.push_back({"6.1.2", "three empty fragments", [=] {
                     return echoes({empty_begin, {kContinuation, "", false}, empty_end}, {{kText}});
                   }});
  cases.push_back(
      {"6.1.3", "an empty fragment, one that is not, an empty one", [=] {
         const std::string middle = "middle frame payload";
         return echoes({empty_begin, {kContinuation, middle, false}, empty_end}, {{kText, middle}});
       }});
  cases.push_back({"6.2.1", "valid text", [] { return text_or_refused(kUmlauts, true); }});
  cases.push_back({"6.2.2", "valid text cut between two characters", [] {
                     return echoes({{kText, kUmlauts.substr(0, 12), false},
                                    {kContinuation, kUmlauts.substr(12)}},
                                   {{kText, kUmlauts}});
                   }});
  cases.push_back({"6.2.3", "valid text, an octet a fragment",
                   [] { return text_or_refused(kUmlauts, true, 1); }});
  cases.push_back({"6.2.4", "valid text, an octet a fragment",
                   [] { return text_or_refused(kKosme, true, 1); }});
  cases.push_back({"6.3.1", "invalid text", [=] { return text_or_refused(invalid, false); }});
  cases.push_back({"6.3.2", "invalid text, an octet a fragment",
                   [=] { return text_or_refused(invalid, false, 1); }});
  cases.push_back({"6.4.1", "fails at the fragment that makes the text invalid",
                   [] { return fails_fast_in_fragments("\xf4\x90\x80\x80"); }});
  cases.push_back({"6.4.2", "fails at the octet that makes the text invalid",
                   [] { return fails_fast_in_fragments("\xf4\x90"); }});
  cases.push_back({"6.4.3", "fails in the frame at the chop that makes the text invalid",
                   [] { return fails_fast_in_a_frame("\xf4\x90\x80\x80", "edited"); }});
  cases.push_back({"6.4.4", "fails in the frame at the octet that makes the text invalid", [] {
                     return fails_fast_in_a_frame("\xf4\x90",
                                                  "\x80\x80"
                                                  "edited");
                   }});
  for (const Utf8Sequence& sequence : utf8_sequences()) {
    cases.push_back({sequence.number, sequence.valid ? "valid" : "invalid",
                     [=] { return text_or_refused(sequence.bytes, sequence.valid); }});
  }
  return cases;
}

}  // namespace zenwire::test
