// scan_json_rpc: what it finds in what venues send, against simdjson on random documents, and that
// nothing makes it read outside.

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <simdjson.h>

#include <zenwire/codec/json_rpc.hpp>
#include <zenwire/testing/random.hpp>

namespace zenwire {
namespace {

using Kind = JsonRpcId::Kind;
using testing::Random;

// A copy that ends where its allocation ends, so that a sanitizer sees a read behind it.
class Exact {
 public:
  explicit Exact(std::string_view text) : bytes_(text.size()), copy_(new char[text.size() + 1]) {
    std::memcpy(copy_.get() + 1, text.data(), text.size());
  }
  [[nodiscard]] std::string_view view() const { return {copy_.get() + 1, bytes_}; }

 private:
  std::size_t bytes_;
  std::unique_ptr<char[]> copy_;
};

struct Case {
  const char* message;
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  const char* text = "";
  bool method = false;
  bool result = false;
  bool error = false;
};

TEST(JsonRpc, finds_the_id_and_the_kind) {
  const Case cases[] = {
      {R"({"jsonrpc":"2.0","id":5,"result":{"id":7}})", Kind::integer, 5, "", false, true, false},
      {R"({"result":{"id":7,"a":["}",{"id":8}]},"id":5})", Kind::integer, 5, "", false, true},
      {R"({"result":null,"id":1})", Kind::integer, 1, "", false, true},
      {R"({"id":9,"error":{"code":10028,"message":"too_many_requests"}})", Kind::integer, 9, "",
       false, false, true},
      {R"({"error":null,"result":4,"id":"a"})", Kind::text, 0, "a", false, true},
      {R"({"result":null,"error":{"code":1},"id":3})", Kind::integer, 3, "", false, false, true},
      {R"({"method":"subscription","params":{"id":1}})", Kind::none, 0, "", true},
      {R"({"id":3,"method":"heartbeat","params":{}})", Kind::integer, 3, "", true},
      {R"({"id":"1512","op":"order","data":[{"ordId":"1"}],"code":"0"})", Kind::text, 0, "1512"},
      {R"({"id":"a\"b","result":1})", Kind::text, 0, R"(a\"b)", false, true},
      {"{\n  \"id\" :\t-12 ,\r\n \"result\" : [ ] }", Kind::integer, -12, "", false, true},
      {R"({"\u0069d":4,"result":1})", Kind::integer, 4, "", false, true},
      {R"({"i\u0064":4,"r\u0065sult":1})", Kind::integer, 4, "", false, true},
      {R"({"id":9223372036854775807,"result":1})", Kind::integer, INT64_MAX, "", false, true},
      {R"({"id":-9223372036854775808,"result":1})", Kind::integer, INT64_MIN, "", false, true},
      {R"({"id":9223372036854775808,"result":1})", Kind::other, 0, "", false, true},
      {R"({"id":1.0,"result":1})", Kind::other, 0, "", false, true},
      {R"({"id":1e2,"result":1})", Kind::other, 0, "", false, true},
      {R"({"id":null,"result":1})", Kind::none, 0, "", false, true},
      {R"({"id":true,"result":1})", Kind::other, 0, "", false, true},
      {R"({"id":{"id":1},"result":1})", Kind::other, 0, "", false, true},
      {R"({"id":[1],"result":1})", Kind::other, 0, "", false, true},
      {R"({"id":"","result":1})", Kind::text, 0, "", false, true},
      {R"({"id":1,"id":2,"result":1})", Kind::integer, 1, "", false, true},
      {R"({"a":"\\","id":1,"result":1})", Kind::integer, 1, "", false, true},
      {R"({"a":"\\\"","b":"id\":2,","id":1,"result":1})", Kind::integer, 1, "", false, true},
      {R"({"a":[[[{"x":[]}]]],"id":1,"result":1})", Kind::integer, 1, "", false, true},
      {R"({"ids":3,"i":4,"xid":5,"id":1,"result":1})", Kind::integer, 1, "", false, true},
      {R"({})"},
      {R"({"a":1})"},
      {R"([{"id":1,"result":1}])"},
      {R"(123)"},
      {R"("id")"},
      {""},
      {"   "},
      {"{"},
      {R"({"id)"},
      {R"({"id":)"},
      {R"({"id":"abc)"},
      {R"({"a":"\)"},
  };
  for (const Case& each : cases) {
    const Exact message(each.message);
    const JsonRpcHead head = scan_json_rpc(message.view());
    EXPECT_EQ(head.id.kind, each.kind) << each.message;
    EXPECT_EQ(head.id.integer, each.integer) << each.message;
    EXPECT_EQ(head.id.text, each.text) << each.message;
    EXPECT_EQ(head.has_method, each.method) << each.message;
    EXPECT_EQ(head.has_result, each.result) << each.message;
    EXPECT_EQ(head.has_error, each.error) << each.message;
  }
}

TEST(JsonRpc, says_where_the_result_or_the_error_begins) {
  EXPECT_EQ(scan_json_rpc(R"({"id":1,"result": [1,2]})").value, "[1,2]}");
  EXPECT_EQ(scan_json_rpc(R"({"error":{"code":7},"id":1})").value, R"({"code":7},"id":1})");
  EXPECT_EQ(scan_json_rpc(R"({"result":null,"error":{"code":7},"id":1})").value,
            R"({"code":7},"id":1})");
  EXPECT_EQ(scan_json_rpc(R"({"id":1,"code":"0"})").value, "");
}

TEST(JsonRpc, the_id_may_have_another_name) {
  const JsonRpcHead head = scan_json_rpc(R"({"id":1,"req_id":"r7","op":"auth"})", "req_id");
  EXPECT_EQ(head.id.kind, Kind::text);
  EXPECT_EQ(head.id.text, "r7");
}

TEST(JsonRpc, finds_the_code_of_an_error) {
  EXPECT_EQ(find_json_integer(R"({"message":"too_many_requests","code":10028},"id":1})", "code"),
            10028);
  EXPECT_EQ(find_json_integer(R"({"data":{"code":3},"code":-32601}})", "code"), -32601);
  EXPECT_EQ(find_json_integer(R"({"message":"no code"})", "code"), std::nullopt);
  EXPECT_EQ(find_json_integer(R"({"code":"text"})", "code"), std::nullopt);
  EXPECT_EQ(find_json_integer("", "code"), std::nullopt);
  EXPECT_EQ(find_json_integer(R"({"code":)", "code"), std::nullopt);
}

// --- Random documents.

class Document {
 public:
  explicit Document(Random& random) : random_(random) {}

  std::string object(int depth) {
    std::string text = "{" + space();
    const std::uint64_t fields = random_.below(7);
    for (std::uint64_t i = 0; i < fields; ++i) {
      if (i > 0) text += "," + space();
      text += key() + space() + ":" + space() + value(depth) + space();
    }
    return text + "}";
  }

 private:
  std::string space() {
    constexpr const char* kSpaces[] = {"", "", "", " ", "\n", "\t ", "\r\n  "};
    return kSpaces[random_.below(std::size(kSpaces))];
  }
  std::string key() {
    constexpr const char* kKeys[] = {"\"id\"",          "\"result\"", "\"error\"", "\"method\"",
                                     "\"jsonrpc\"",     "\"params\"", "\"ids\"",   "\"\\u0069d\"",
                                     "\"\\u0065rror\"", "\"\""};
    return random_.below(4) == 0 ? string() : kKeys[random_.below(std::size(kKeys))];
  }
  std::string string() {
    constexpr const char* kPieces[] = {"id",
                                       "a",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\\\"",
                                       "\\\\",
                                       "\\n",
                                       "é",
                                       "\\/",
                                       "\\u0041",
                                       "  ",
                                       "\\\\\\\"",
                                       "0123456789abcdef0123456789"};
    std::string text = "\"";
    for (std::uint64_t i = random_.below(6); i > 0; --i)
      text += kPieces[random_.below(std::size(kPieces))];
    return text + "\"";
  }
  std::string number() {
    constexpr const char* kNumbers[] = {"0",
                                        "-0",
                                        "7",
                                        "-12",
                                        "1.0",
                                        "1e3",
                                        "12345678901234567",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "18446744073709551615"};
    return kNumbers[random_.below(std::size(kNumbers))];
  }
  std::string array(int depth) {
    std::string text = "[" + space();
    for (std::uint64_t i = random_.below(4); i > 0; --i)
      text += value(depth) + space() + (i > 1 ? "," : "");
    return text + "]";
  }
  std::string value(int depth) {
    constexpr const char* kWords[] = {"null", "true", "false"};
    switch (random_.below(depth > 0 ? 5 : 3)) {
      case 0: return number();
      case 1: return string();
      case 2: return kWords[random_.below(3)];
      case 3: return array(depth - 1);
      default: return object(depth - 1);
    }
  }

  Random& random_;
};

struct Expected {
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  std::string text;
};

// By simdjson: the first field of that name at the top level.
Expected expected_id(simdjson::dom::object object) {
  for (const auto [key, value] : object) {
    if (key != "id") continue;
    if (value.is_null()) return {};
    if (value.is_string()) return {Kind::text, 0, std::string(std::string_view(value))};
    if (value.is_int64()) return {Kind::integer, std::int64_t(value), ""};
    return {Kind::other, 0, ""};
  }
  return {};
}

std::string unescaped(std::string_view escaped) {
  simdjson::dom::parser parser;
  const std::string quoted = "\"" + std::string(escaped) + "\"";
  return std::string(std::string_view(parser.parse(quoted)));
}

void compare_with_simdjson(Random& random) {
  const std::string text = Document(random).object(4);
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  RC_ASSERT(parser.parse(text).get(object) == simdjson::SUCCESS);
  const Exact message(text);
  const JsonRpcHead head = scan_json_rpc(message.view());
  const Expected expected = expected_id(object);
  RC_ASSERT(head.id.kind == expected.kind);
  RC_ASSERT(head.id.integer == expected.integer);
  RC_ASSERT(unescaped(head.id.text) == expected.text);
  bool has_method = false;
  bool has_result = false;
  bool has_error = false;
  for (const auto [key, value] : object) {
    has_method |= key == "method";
    has_result |= key == "result";
    has_error |= key == "error" && !value.is_null();
  }
  // It may stop before it has seen all; what it saw is there, and nothing is left unseen in vain.
  RC_ASSERT(!head.has_method || has_method);
  RC_ASSERT(!head.has_result || has_result);
  RC_ASSERT(!head.has_error || has_error);
  RC_ASSERT((head.has_method || head.has_result || head.has_error) ==
            (has_method || has_result || has_error));
}

RC_GTEST_PROP(JsonRpc, agrees_with_simdjson, (std::uint64_t seed)) {
  Random random(seed);
  for (int i = 0; i < 100; ++i) compare_with_simdjson(random);
}

void scan_damaged(Random& random) {
  std::string text = Document(random).object(3);
  for (std::uint64_t i = random.below(4); i > 0; --i)
    text[random.below(text.size())] = static_cast<char>(random.below(256));
  text.resize(random.below(text.size() + 1));
  const Exact message(text);
  const JsonRpcHead head = scan_json_rpc(message.view());
  const auto within = [&](std::string_view part) {
    return part.empty() || (part.data() >= message.view().data() &&
                            part.data() + part.size() <= message.view().data() + text.size());
  };
  RC_ASSERT(within(head.id.text) && within(head.value));
  static_cast<void>(find_json_integer(message.view(), "id"));
}

RC_GTEST_PROP(JsonRpc, never_reads_outside_of_a_damaged_message, (std::uint64_t seed)) {
  Random random(seed);
  for (int i = 0; i < 100; ++i) scan_damaged(random);
}

// Every position of what a kernel looks for, relative to its block.
TEST(JsonRpc, strings_and_containers_of_every_length_are_skipped) {
  for (std::size_t length = 0; length < 70; ++length) {
    const std::string filler(length, 'x');
    for (const std::string& value : {"\"" + filler + "\"", "\"" + filler + "\\\"\"",
                                     "{\"" + filler + "\":[\"}\"]}", "[\"" + filler + "\\\\\"]"}) {
      const std::string text = "{\"a\":" + value + ",\"id\":1,\"result\":" + value + "}";
      const Exact message(text);
      const JsonRpcHead head = scan_json_rpc(message.view());
      ASSERT_EQ(head.id.kind, Kind::integer) << text;
      ASSERT_EQ(head.value, value + "}") << text;
    }
  }
}

}  // namespace
}  // namespace zenwire
