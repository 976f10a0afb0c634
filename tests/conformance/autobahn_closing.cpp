// Autobahn's cases 7.*: the closing handshake, close codes and reasons.

#include "autobahn_cases.hpp"

namespace zenwire::test {
namespace {

const std::string kHello = "Hello World!";

// The fuzzer closes with these frames, the last of them or one before it the close frame.
Script closes_with(std::vector<Frame> frames, std::vector<Event> wanted, Ending ending) {
  return {{Send{std::move(frames)}}, std::move(wanted), std::move(ending)};
}

// The close frame is not valid: answered with a code of its own.
Script refuses_close(const Frame& frame, std::vector<std::uint16_t> codes) {
  return closes_with({frame}, {}, {.codes = std::move(codes)});
}

void add_sequence(std::vector<AutobahnCase>& cases) {
  const Frame close = close_frame(1000);
  const Ending normal{};
  cases.push_back({"7.1.1", "text, then close", [=] {
                     return closes_with({{kText, kHello}, close}, {{kText, kHello}}, normal);
                   }});
  cases.push_back({"7.1.2", "two close frames", [=] {
                     return closes_with({close, close}, {}, normal);
                   }});
  cases.push_back({"7.1.3", "a ping after close", [=] {
                     return closes_with({close, {kPing}}, {}, normal);
                   }});
  cases.push_back({"7.1.4", "text after close", [=] {
                     return closes_with({close, {kText, kHello}}, {}, normal);
                   }});
  cases.push_back({"7.1.5", "close between two fragments", [=] {
                     return closes_with(
                         {{kText, "fragment1", false}, close, {kContinuation, "fragment2"}}, {},
                         normal);
                   }});
  cases.push_back(
      {.number = "7.1.6",
       .title = "256 KiB of text, close, ping",
       .script =
           [=] {
             const std::string text(256 << 10, '*');
             return closes_with({{kText, text}, close, {kPing}}, {{kText, text}}, normal);
           },
       .informational = true});
}

void add_payloads(std::vector<AutobahnCase>& cases) {
  const Ending normal{};
  cases.push_back({"7.3.1", "an empty close frame", [] {
                     return closes_with({{kClose}}, {}, {.codes = {}, .without_code = true});
                   }});
  cases.push_back({"7.3.2", "a close payload of one byte", [] {
                     return refuses_close({kClose, "a"}, {kProtocolError});
                   }});
  cases.push_back(
      {"7.3.3", "a code", [=] { return closes_with({close_frame(1000)}, {}, normal); }});
  cases.push_back({"7.3.4", "a code and a reason",
                   [=] { return closes_with({close_frame(1000, kHello)}, {}, normal); }});
  cases.push_back({"7.3.5", "the longest reason", [=] {
                     return closes_with({close_frame(1000, std::string(123, '*'))}, {}, normal);
                   }});
  cases.push_back(
      {"7.3.6", "a reason one byte too long",
       [] { return refuses_close(close_frame(1000, std::string(124, '*')), {kProtocolError}); }});
  cases.push_back(
      {"7.5.1", "a reason that is not UTF-8", [] {
         const std::string bad =
             "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
             "edited";
         return refuses_close(close_frame(1000, bad), {kProtocolError, kInvalidPayload});
       }});
}

void add_codes(std::vector<AutobahnCase>& cases) {
  constexpr std::uint16_t kValid[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                      1010, 1011, 3000, 3999, 4000, 4999};
  constexpr std::uint16_t kInvalid[] = {0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999};
  int number = 0;
  for (const std::uint16_t code : kValid) {
    cases.push_back({"7.7." + std::to_string(++number), "valid code " + std::to_string(code),
                     [code] { return closes_with({close_frame(code)}, {}, {.codes = {code}}); }});
  }
  number = 0;
  for (const std::uint16_t code : kInvalid) {
    cases.push_back({"7.9." + std::to_string(++number), "invalid code " + std::to_string(code),
                     [code] { return refuses_close(close_frame(code), {kProtocolError}); }});
  }
  number = 0;
  for (const std::uint16_t code : {std::uint16_t{5000}, std::uint16_t{65535}}) {
    cases.push_back(
        {.number = "7.13." + std::to_string(++number),
         .title = "code " + std::to_string(code),
         .script = [code] { return refuses_close(close_frame(code), {kProtocolError}); },
         .informational = true});
  }
}

}  // namespace

std::vector<AutobahnCase> autobahn_closing() {
  std::vector<AutobahnCase> cases;
  add_sequence(cases);
  add_payloads(cases);
  add_codes(cases);
  return cases;
}

}  // namespace zenwire::test
