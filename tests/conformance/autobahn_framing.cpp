// Autobahn's cases 1.* (framing), 2.* (pings and pongs), 3.* (reserved bits), 4.* (opcodes) and
// 5.* (fragmentation).

#include <array>

#include "autobahn_cases.hpp"

namespace zenwire::test {
namespace {

const std::string kHello = "Hello, world!";

std::string repeated(char byte, std::size_t count) {
  return std::string(count, byte);
}

void add_framing(std::vector<AutobahnCase>& cases) {
  struct Row {
    std::size_t bytes;
    std::size_t chop;
  };
  constexpr std::array<Row, 8> kRows{{{0, kOneWrite},
                                      {125, kOneWrite},
                                      {126, kOneWrite},
                                      {127, kOneWrite},
                                      {128, kOneWrite},
                                      {65535, kOneWrite},
                                      {65536, kOneWrite},
                                      {65536, 997}}};
  for (const unsigned opcode : {kText, kBinary}) {
    for (std::size_t i = 0; i < kRows.size(); ++i) {
      const Row row = kRows[i];
      cases.push_back({"1." + std::to_string(opcode) + "." + std::to_string(i + 1),
                       std::to_string(row.bytes) + " bytes in one frame", [row, opcode] {
                         const std::string payload =
                             repeated(opcode == kText ? '*' : '\xfe', row.bytes);
                         return echoes({{opcode, payload}}, {{opcode, payload}}, row.chop);
                       }});
    }
  }
}

Script ten_pings(std::size_t chop) {
  Script script = echoes({}, {}, chop);
  auto& frames = std::get<Send>(script.steps.front()).frames;
  for (int i = 0; i < 10; ++i) {
    const std::string payload = "payload-" + std::to_string(i);
    frames.push_back({kPing, payload});
    script.wanted.push_back({kPong, payload});
  }
  return script;
}

void add_pings(std::vector<AutobahnCase>& cases) {
  const std::string bytes("\x00\xff\xfe\xfd\xfc\xfb\x00\xff", 8);
  const std::string most = repeated('\xfe', 125);
  const auto pinged = [](const std::string& payload, std::size_t chop = kOneWrite) {
    return [=] { return echoes({{kPing, payload}}, {{kPong, payload}}, chop); };
  };
  const Frame pong{kPong, "unsolicited pong payload"};
  cases.push_back({"2.1", "an empty ping", pinged("")});
  cases.push_back({"2.2", "a ping with text", pinged(kHello)});
  cases.push_back({"2.3", "a ping with bytes", pinged(bytes)});
  cases.push_back({"2.4", "a ping of 125 bytes", pinged(most)});
  cases.push_back({"2.5", "a ping of 126 bytes", [most] {
                     return refuses({{kPing, most + '\xfe'}}, {}, kProtocolError);
                   }});
  cases.push_back({"2.6", "a ping of 125 bytes, octet by octet", pinged(most, 1)});
  cases.push_back({"2.7", "an empty pong unasked", [] { return echoes({{kPong}}, {}); }});
  cases.push_back({"2.8", "a pong unasked", [pong] { return echoes({pong}, {}); }});
  cases.push_back({"2.9", "a pong unasked, then a ping", [pong] {
                     return echoes({pong, {kPing, "ping payload"}}, {{kPong, "ping payload"}});
                   }});
  cases.push_back({"2.10", "ten pings", [] { return ten_pings(kOneWrite); }});
  cases.push_back({"2.11", "ten pings, octet by octet", [] { return ten_pings(1); }});
}

void add_reserved_bits(std::vector<AutobahnCase>& cases) {
  const Event hello{kText, kHello};
  const auto after_text = [hello](unsigned rsv, std::size_t chop) {
    return [=] {
      return refuses({{kText, kHello}, {kText, kHello, true, rsv}, {kPing}}, {hello},
                     kProtocolError, chop);
    };
  };
  const auto alone = [](Frame frame) {
    return [=] { return refuses({frame}, {}, kProtocolError); };
  };
  cases.push_back({"3.1", "text with RSV 1", alone({kText, kHello, true, 1})});
  cases.push_back({"3.2", "text, text with RSV 2, ping", after_text(2, kOneWrite)});
  cases.push_back(
      {"3.3", "text, text with RSV 3, ping, frame by frame", after_text(3, kFrameWise)});
  cases.push_back({"3.4", "text, text with RSV 4, ping, octet by octet", after_text(4, 1)});
  const std::string bytes("\x00\xff\xfe\xfd\xfc\xfb\x00\xff", 8);
  cases.push_back({"3.5", "binary with RSV 5", alone({kBinary, bytes, true, 5})});
  cases.push_back({"3.6", "ping with RSV 6", alone({kPing, kHello, true, 6})});
  cases.push_back({"3.7", "close with RSV 7", alone({kClose, close_payload(1000), true, 7})});
}

void add_opcodes(std::vector<AutobahnCase>& cases) {
  for (const unsigned first : {3u, 11u}) {
    const std::string group = first == 3 ? "4.1." : "4.2.";
    for (unsigned i = 0; i < 5; ++i) {
      const unsigned opcode = first + i;
      const bool with_payload = i == 1 || i >= 3;
      const Frame reserved{opcode, with_payload ? "reserved opcode payload" : ""};
      const std::size_t chop = i == 4 ? 1 : kOneWrite;
      cases.push_back(
          {group + std::to_string(i + 1), "opcode " + std::to_string(opcode), [=]() -> Script {
             if (i < 2) return refuses({reserved}, {}, kProtocolError);
             return refuses({{kText, kHello}, reserved, {kPing}}, {{kText, kHello}}, kProtocolError,
                            chop);
           }});
    }
  }
}

const Frame kFragment1{kText, "fragment1", false};
const Frame kFragment2{kContinuation, "fragment2"};
const Event kJoined{kText, "fragment1fragment2"};

void add_fragmented(std::vector<AutobahnCase>& cases) {
  for (const unsigned opcode : {kPing, kPong}) {
    cases.push_back(
        {opcode == kPing ? "5.1" : "5.2", "a control frame in two fragments", [opcode] {
           return refuses({{opcode, "fragment1", false}, kFragment2}, {}, kProtocolError);
         }});
  }
  constexpr std::size_t kChops[] = {kOneWrite, kFrameWise, 1};
  for (unsigned i = 0; i < 3; ++i) {
    cases.push_back({"5." + std::to_string(3 + i), "text in two fragments", [chop = kChops[i]] {
                       return echoes({kFragment1, kFragment2}, {kJoined}, chop);
                     }});
  }
  for (unsigned i = 0; i < 3; ++i) {
    cases.push_back({"5." + std::to_string(6 + i), "text in two fragments with a ping between",
                     [chop = kChops[i]] {
                       return echoes({kFragment1, {kPing, "ping payload"}, kFragment2},
                                     {{kPong, "ping payload"}, kJoined}, chop);
                     }});
  }
  for (unsigned i = 0; i < 6; ++i) {
    const bool fin = i < 3;
    cases.push_back({"5." + std::to_string(9 + i), "a continuation of nothing, then text",
                     [chop = kChops[i % 3], fin] {
                       const Frame stray{kContinuation, "non-continuation payload", fin};
                       return refuses({stray, {kText, kHello}}, {}, kProtocolError, chop);
                     }});
  }
  cases.push_back(
      {"5.15", "text in two fragments, a continuation of nothing, text", [] {
         return refuses(
             {kFragment1, kFragment2, {kContinuation, "fragment3", false}, {kText, "fragment4"}},
             {kJoined}, kProtocolError);
       }});
  for (const bool fin : {false, true}) {
    cases.push_back({fin ? "5.17" : "5.16", "a continuation of nothing, text in two, twice", [fin] {
                       const Frame stray{kContinuation, "fragment1", fin};
                       const Frame begin{kText, "fragment2", false};
                       const Frame end{kContinuation, "fragment3"};
                       return refuses({stray, begin, end, stray, begin, end}, {}, kProtocolError);
                     }});
  }
  cases.push_back({"5.18", "two fragments that both say text", [] {
                     return refuses({kFragment1, {kText, "fragment2"}}, {}, kProtocolError);
                   }});
}

// The second half is sent once the first ping was answered.
Script five_fragments(std::size_t chop) {
  const auto middle = [](int number) {
    return Frame{kContinuation, "fragment" + std::to_string(number), false};
  };
  Script script;
  script.steps = {
      Send{{kFragment1, middle(2), {kPing, "pongme 1!"}}, chop}, Await{1},
      Send{{middle(3), middle(4), {kPing, "pongme 2!"}, {kContinuation, "fragment5"}}, chop}};
  script.wanted = {{kPong, "pongme 1!"},
                   {kPong, "pongme 2!"},
                   {kText, "fragment1fragment2fragment3fragment4fragment5"}};
  return script;
}

}  // namespace

std::vector<AutobahnCase> autobahn_framing() {
  std::vector<AutobahnCase> cases;
  add_framing(cases);
  add_pings(cases);
  add_reserved_bits(cases);
  add_opcodes(cases);
  add_fragmented(cases);
  cases.push_back({"5.19", "text in five fragments, pings and a pause between",
                   [] { return five_fragments(kOneWrite); }});
  cases.push_back({"5.20", "the same, frame by frame", [] { return five_fragments(kFrameWise); }});
  return cases;
}

}  // namespace zenwire::test
