// RFC 6455, section 3, and RFC 3986 as far as it bears on it.

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/url.hpp>

namespace zenwire {
namespace {

struct Good {
  std::string_view text;
  bool secure;
  std::string_view host;
  bool host_is_address;
  std::uint16_t port;
  bool port_is_default;
  std::string_view target;
  std::string_view host_header;
  std::string_view printable;
};

constexpr Good kGood[] = {
    {"ws://example.com", false, "example.com", false, 80, true, "/", "example.com",
     "ws://example.com/"},
    {"wss://example.com/", true, "example.com", false, 443, true, "/", "example.com",
     "wss://example.com/"},
    {"WSS://Example.COM/Chat", true, "example.com", false, 443, true, "/Chat", "example.com",
     "wss://example.com/Chat"},
    {"wss://www.deribit.com/ws/api/v2", true, "www.deribit.com", false, 443, true, "/ws/api/v2",
     "www.deribit.com", "wss://www.deribit.com/ws/api/v2"},
    {"ws://h:1", false, "h", false, 1, false, "/", "h:1", "ws://h:1/"},
    {"ws://h:65535/a", false, "h", false, 65535, false, "/a", "h:65535", "ws://h:65535/a"},
    {"ws://h:80", false, "h", false, 80, true, "/", "h", "ws://h/"},
    {"ws://h:443", false, "h", false, 443, false, "/", "h:443", "ws://h:443/"},
    {"wss://h:443", true, "h", false, 443, true, "/", "h", "wss://h/"},
    {"wss://h:0000080/", true, "h", false, 80, false, "/", "h:80", "wss://h:80/"},
    {"wss://h?token=secret", true, "h", false, 443, true, "/?token=secret", "h", "wss://h/"},
    {"wss://h/?token=secret", true, "h", false, 443, true, "/?token=secret", "h", "wss://h/"},
    {"wss://h/a?b?c=/d:e@f", true, "h", false, 443, true, "/a?b?c=/d:e@f", "h", "wss://h/a"},
    {"wss://h/stream?streams=btcusdt@trade/ethusdt@depth", true, "h", false, 443, true,
     "/stream?streams=btcusdt@trade/ethusdt@depth", "h", "wss://h/stream"},
    {"wss://h/%41%e2%82%ac", true, "h", false, 443, true, "/%41%e2%82%ac", "h",
     "wss://h/%41%e2%82%ac"},
    {"ws://h//a/../b;c=d,e", false, "h", false, 80, true, "//a/../b;c=d,e", "h",
     "ws://h//a/../b;c=d,e"},
    {"ws://h/{a}|b^`", false, "h", false, 80, true, "/{a}|b^`", "h", "ws://h/{a}|b^`"},
    {"ws://127.0.0.1:9001/getCaseCount", false, "127.0.0.1", true, 9001, false, "/getCaseCount",
     "127.0.0.1:9001", "ws://127.0.0.1:9001/getCaseCount"},
    {"ws://[::1]", false, "::1", true, 80, true, "/", "[::1]", "ws://[::1]/"},
    {"wss://[2001:DB8::1]:8443/x", true, "2001:db8::1", true, 8443, false, "/x",
     "[2001:db8::1]:8443", "wss://[2001:db8::1]:8443/x"},
    {"ws://[::ffff:192.0.2.1]", false, "::ffff:192.0.2.1", true, 80, true, "/",
     "[::ffff:192.0.2.1]", "ws://[::ffff:192.0.2.1]/"},
    {"ws://example.com.", false, "example.com.", false, 80, true, "/", "example.com.",
     "ws://example.com./"},
    {"ws://xn--bcher-kva.example/", false, "xn--bcher-kva.example", false, 80, true, "/",
     "xn--bcher-kva.example", "ws://xn--bcher-kva.example/"},
    {"ws://my_service-1.a2", false, "my_service-1.a2", false, 80, true, "/", "my_service-1.a2",
     "ws://my_service-1.a2/"},
    {"ws://1.example", false, "1.example", false, 80, true, "/", "1.example", "ws://1.example/"},
};

TEST(Url, ReadsWhatIsGood) {
  for (const Good& good : kGood) {
    const auto url = parse_url(good.text);
    ASSERT_TRUE(url) << good.text << ": " << url.error().detail();
    EXPECT_EQ(url->secure, good.secure) << good.text;
    EXPECT_EQ(url->host, good.host) << good.text;
    EXPECT_EQ(url->host_is_address, good.host_is_address) << good.text;
    EXPECT_EQ(url->port, good.port) << good.text;
    EXPECT_EQ(url->port_is_default, good.port_is_default) << good.text;
    EXPECT_EQ(url->target, good.target) << good.text;
    EXPECT_EQ(url->host_header(), good.host_header) << good.text;
    EXPECT_EQ(url->printable(), good.printable) << good.text;
  }
}

struct Bad {
  std::string_view text;
  Errc code;
  std::string_view detail;
};

using namespace std::string_view_literals;

constexpr Bad kBad[] = {
    {"", Errc::url_malformed, "the URL is empty at byte 0"},
    {"example.com", Errc::url_malformed, "no scheme at byte 0"},
    {"wss", Errc::url_malformed, "no scheme at byte 0"},
    {"wss:example.com", Errc::url_malformed, "no scheme at byte 0"},
    {"wss:/example.com", Errc::url_malformed, "no scheme at byte 0"},
    {"://example.com", Errc::url_malformed, "no scheme at byte 0"},
    {"//example.com", Errc::url_malformed, "no scheme at byte 0"},
    {" wss://example.com", Errc::url_malformed, "no scheme at byte 0"},
    {"user:pw@host/a://b", Errc::url_malformed, "no scheme at byte 0"},
    {"http://example.com", Errc::url_scheme_unknown, "the scheme is 'http'"},
    {"HTTPS://example.com", Errc::url_scheme_unknown, "the scheme is 'HTTPS'"},
    {"wsss://example.com", Errc::url_scheme_unknown, "the scheme is 'wsss'"},
    {"ws+unix://a", Errc::url_scheme_unknown, "the scheme is 'ws+unix'"},
    {"wss://", Errc::url_malformed, "no host at byte 6"},
    {"wss:///path", Errc::url_malformed, "no host at byte 6"},
    {"wss://?q", Errc::url_malformed, "no host at byte 6"},
    {"wss://:443", Errc::url_malformed, "no host at byte 6"},
    {"wss://h:", Errc::url_malformed, "no port after the colon at byte 8"},
    {"wss://h:/", Errc::url_malformed, "no port after the colon at byte 8"},
    {"wss://h:0", Errc::url_malformed, "a port that is not 1 to 65535 at byte 8"},
    {"wss://h:00000", Errc::url_malformed, "a port that is not 1 to 65535 at byte 8"},
    {"wss://h:65536", Errc::url_malformed, "a port that is not 1 to 65535 at byte 8"},
    {"wss://h:99999999999999999999", Errc::url_malformed,
     "a port that is not 1 to 65535 at byte 8"},
    {"wss://h:44a", Errc::url_malformed, "a port that is not a number at byte 10"},
    {"wss://h:-1", Errc::url_malformed, "a port that is not a number at byte 8"},
    {"wss://h:+1", Errc::url_malformed, "a port that is not a number at byte 8"},
    {"wss://h: 1", Errc::url_malformed, "a port that is not a number at byte 8"},
    {"wss://a:1:2", Errc::url_malformed, "a port that is not a number at byte 9"},
    {"wss://::1", Errc::url_malformed, "no host at byte 6"},
    {"wss://a b", Errc::url_malformed, "a space in the host at byte 7"},
    {"wss://a%20b", Errc::url_malformed, "a percent escape in the host at byte 7"},
    {"wss://a\tb", Errc::url_malformed, "a character that a host cannot hold at byte 7"},
    {"wss://a\0b"sv, Errc::url_malformed, "a character that a host cannot hold at byte 7"},
    {"wss://a\\b", Errc::url_malformed, "a character that a host cannot hold at byte 7"},
    {"wss://b\xc3\xbc"
     "cher.example",
     Errc::url_malformed,
     "a host byte that is not ASCII (write the name in its xn-- form) at byte 7"},
    {"wss://a..b", Errc::url_malformed, "an empty label in the host at byte 8"},
    {"wss://.a", Errc::url_malformed, "an empty label in the host at byte 6"},
    {"wss://.", Errc::url_malformed, "an empty label in the host at byte 6"},
    {"wss://a..", Errc::url_malformed, "an empty label in the host at byte 8"},
    {"wss://-a", Errc::url_malformed, "a label that begins or ends with '-' in the host at byte 6"},
    {"wss://b.a-", Errc::url_malformed,
     "a label that begins or ends with '-' in the host at byte 8"},
    {"wss://127.1", Errc::url_malformed,
     "a host that ends with a number but is not an IPv4 address at byte 6"},
    {"wss://256.0.0.1", Errc::url_malformed,
     "a host that ends with a number but is not an IPv4 address at byte 6"},
    {"wss://1.2.3.4.5", Errc::url_malformed,
     "a host that ends with a number but is not an IPv4 address at byte 6"},
    {"wss://2130706433", Errc::url_malformed,
     "a host that ends with a number but is not an IPv4 address at byte 6"},
    {"wss://a.0x7f", Errc::url_malformed,
     "a host that ends with a number but is not an IPv4 address at byte 6"},
    {"wss://[::1", Errc::url_malformed, "no ']' for the '[' at byte 6"},
    {"wss://[]", Errc::url_malformed, "what stands in brackets is not an IPv6 address at byte 7"},
    {"wss://[::g]", Errc::url_malformed,
     "what stands in brackets is not an IPv6 address at byte 7"},
    {"wss://[1:2:3]", Errc::url_malformed,
     "what stands in brackets is not an IPv6 address at byte 7"},
    {"wss://[127.0.0.1]", Errc::url_malformed,
     "what stands in brackets is not an IPv6 address at byte 7"},
    {"wss://[::1\0]"sv, Errc::url_malformed,
     "what stands in brackets is not an IPv6 address at byte 7"},
    {"wss://[fe80::1%25eth0]", Errc::url_malformed,
     "an IPv6 zone, which a URL cannot carry, at byte 14"},
    {"wss://[::1]x", Errc::url_malformed, "something other than a port after the ']' at byte 11"},
    {"wss://[::1]:", Errc::url_malformed, "no port after the colon at byte 12"},
    {"wss://user@h/", Errc::url_userinfo_refused, "a user name or password from byte 6 to the '@'"},
    {"wss://user:password@h/", Errc::url_userinfo_refused,
     "a user name or password from byte 6 to the '@'"},
    {"wss://@h", Errc::url_userinfo_refused, "a user name or password from byte 6 to the '@'"},
    {"wss://h#", Errc::url_fragment_refused, "the fragment begins at byte 7"},
    {"wss://h/a?b#c", Errc::url_fragment_refused, "the fragment begins at byte 11"},
    {"wss://h/a b", Errc::url_malformed, "a space (write %20) at byte 9"},
    {"wss://h/?a b", Errc::url_malformed, "a space (write %20) at byte 10"},
    {"wss://h/\r\nX: y", Errc::url_malformed, "a control character at byte 8"},
    {"wss://h/a\0"sv, Errc::url_malformed, "a control character at byte 9"},
    {"wss://h/\x7f", Errc::url_malformed, "a control character at byte 8"},
    {"wss://h/\xe2\x82\xac", Errc::url_malformed,
     "a byte that is not ASCII (percent-encode it) at byte 8"},
    {"wss://h/%", Errc::url_malformed, "a '%' without two hex digits at byte 8"},
    {"wss://h/%4", Errc::url_malformed, "a '%' without two hex digits at byte 8"},
    {"wss://h/%4g", Errc::url_malformed, "a '%' without two hex digits at byte 8"},
    {"wss://h/?%zz", Errc::url_malformed, "a '%' without two hex digits at byte 9"},
    {"wss://h/\"", Errc::url_malformed, "a character that must be percent-encoded at byte 8"},
    {"wss://h/<", Errc::url_malformed, "a character that must be percent-encoded at byte 8"},
    {"wss://h/a\\b", Errc::url_malformed, "a character that must be percent-encoded at byte 9"},
};

TEST(Url, RefusesWhatIsBadAndSaysWhere) {
  for (const Bad& bad : kBad) {
    const auto url = parse_url(bad.text);
    ASSERT_FALSE(url) << bad.text;
    EXPECT_EQ(url.error().code(), bad.code) << bad.text;
    EXPECT_EQ(url.error().detail(), bad.detail) << bad.text;
  }
}

TEST(Url, LimitsLengths) {
  const auto with_path_of = [](std::size_t bytes) {
    return "wss://h/" + std::string(bytes - std::string_view("wss://h/").size(), 'a');
  };
  EXPECT_TRUE(parse_url(with_path_of(kUrl_bytes_max)));
  EXPECT_FALSE(parse_url(with_path_of(kUrl_bytes_max + 1)));

  const std::string label(63, 'a');
  EXPECT_TRUE(parse_url("ws://" + label));
  EXPECT_FALSE(parse_url("ws://" + label + "a"));
  const std::string name = label + '.' + label + '.' + label + '.' + std::string(61, 'a');
  ASSERT_EQ(name.size(), 253u);
  EXPECT_TRUE(parse_url("ws://" + name));
  EXPECT_FALSE(parse_url("ws://" + name + "a"));
}

// What stands where a secret may stand is never quoted, whatever is wrong with the URL.
TEST(Url, QuotesNoSecret) {
  for (const std::string_view text :
       {"wss://user:hunter2@h", "wss://user:hunter2/@h", "wss://user:hunter2",
        "wss://h/?key=hunter2 ", "wss://h/?key=hunter2%", "wss://h/#hunter2", "wss://h/?a#hunter2",
        "hunter2", "wss://h:hunter2", "wss://[hunter2]", "wss://hunter2 x", "wss://h/hunter2\\",
        "user:hunter2@h://x"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().detail().find("hunter2"), std::string_view::npos) << url.error().detail();
  }
}

// A URL that was read, put together again, reads the same.
RC_GTEST_PROP(Url, ReadsWhatItPrints, ()) {
  const auto label = rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'z')));
  const auto path = rc::gen::container<std::string>(rc::gen::element('a', '/', '.', '-', '%', '?'));
  const bool secure = *rc::gen::arbitrary<bool>();
  const std::string host = (*label).substr(0, 63);
  const auto port = *rc::gen::inRange<int>(1, 65536);
  const std::string text =
      (secure ? "wss://" : "ws://") + host + ':' + std::to_string(port) + '/' + *path;
  const auto url = parse_url(text);
  if (!url) {
    RC_ASSERT(text.find('%') != std::string::npos);
    return;
  }
  RC_ASSERT(url->secure == secure);
  RC_ASSERT(url->host == host);
  RC_ASSERT(url->port == port);
  const auto again = parse_url((secure ? "wss://" : "ws://") + url->host_header() + url->target);
  RC_ASSERT(again.has_value());
  RC_ASSERT(again->target == url->target);
  RC_ASSERT(again->port == url->port);
  RC_ASSERT(parse_url(url->printable()).has_value());
}

RC_GTEST_PROP(Url, IsSafeOnAnyBytes, (const std::string& text)) {
  for (const std::string_view prefix : {"", "ws://", "ws://[", "ws://h:", "ws://h/", "ws://h?"}) {
    const auto url = parse_url(std::string(prefix) + text);
    if (!url) continue;
    RC_ASSERT(!url->host.empty());
    RC_ASSERT(url->port != 0);
    RC_ASSERT(url->target.starts_with('/'));
    for (const char c : url->host_header() + url->target) RC_ASSERT(c > ' ' && c < 0x7f);
  }
}

}  // namespace
}  // namespace zenwire
