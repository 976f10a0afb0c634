// RFC 7692, sections 5 and 7.1: offers, answers, and what is declined or refused.

#include <array>
#include <string>

#include <gtest/gtest.h>

#include <zenwire/codec/deflate_offer.hpp>

namespace zenwire {
namespace {

HttpHeaders headers_of(std::string_view value) {
  HttpHeaders headers;
  EXPECT_TRUE(headers.add({"Host", "h"}));
  EXPECT_TRUE(headers.add({"Sec-WebSocket-Extensions", value}));
  return headers;
}

std::string text_of(const DeflateOffer& offer) {
  std::array<std::byte, kDeflateText_bytes_max> to;
  return std::string(as_text(Bytes(to).first(write_offer(offer, to))));
}

std::string text_of(const DeflateParameters& parameters) {
  std::array<std::byte, kDeflateText_bytes_max> to;
  return std::string(as_text(Bytes(to).first(write_answer(parameters, to))));
}

// What the server answers to an offer; "" when it declines, "!" when it refuses the request.
std::string answer_to(std::string_view offer, const DeflateOffer& willing = {}) {
  const auto chosen = choose_deflate(headers_of(offer), willing);
  if (!chosen) {
    EXPECT_EQ(chosen.error().code(), Errc::upgrade_request_invalid);
    return "!";
  }
  return *chosen ? text_of(**chosen) : "";
}

TEST(DeflateOffer, IsWrittenAsSection71Says) {
  DeflateOffer offer;
  EXPECT_EQ(text_of(offer), "permessage-deflate; client_max_window_bits");
  offer.client_max_window_bits_offered = false;
  EXPECT_EQ(text_of(offer), "permessage-deflate");
  offer.server_no_context_takeover = true;
  EXPECT_EQ(text_of(offer), "permessage-deflate; server_no_context_takeover");
  offer = DeflateOffer{8, 10, true, true, true};
  EXPECT_EQ(text_of(offer),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=8; client_max_window_bits=10");
}

TEST(DeflateOffer, IsChecked) {
  EXPECT_TRUE(check_offer({}));
  for (const std::uint8_t bits : std::to_array<std::uint8_t>({0, 7, 16, 255})) {
    DeflateOffer offer;
    offer.server_max_window_bits = bits;
    EXPECT_EQ(check_offer(offer).error().code(), Errc::invalid_option);
    offer = {};
    offer.client_max_window_bits = bits;
    EXPECT_EQ(check_offer(offer).error().code(), Errc::invalid_option);
  }
  DeflateOffer offer;
  offer.client_max_window_bits = 14;
  EXPECT_TRUE(check_offer(offer));
  offer.client_max_window_bits_offered = false;
  EXPECT_EQ(check_offer(offer).error().code(), Errc::contradictory_options);
}

struct Exchange {
  std::string_view offer;
  std::string_view answer;
};

TEST(DeflateServer, AnswersOffers) {
  constexpr Exchange kExchanges[] = {
      {"permessage-deflate", "permessage-deflate"},
      {"permessage-deflate; client_max_window_bits", "permessage-deflate"},
      {"permessage-deflate;client_max_window_bits=10",
       "permessage-deflate; client_max_window_bits=10"},
      {"permessage-deflate; server_max_window_bits=10",
       "permessage-deflate; server_max_window_bits=10"},
      {"permessage-deflate; server_max_window_bits=15",
       "permessage-deflate; server_max_window_bits=15"},
      {"permessage-deflate; server_max_window_bits=8",
       "permessage-deflate; server_max_window_bits=8"},
      {"permessage-deflate; server_no_context_takeover",
       "permessage-deflate; server_no_context_takeover"},
      {"permessage-deflate; client_no_context_takeover",
       "permessage-deflate; client_no_context_takeover"},
      // Section 5's examples: two offers, the first wins; quotes; other extensions.
      {"permessage-deflate; client_max_window_bits; server_max_window_bits=10, "
       "permessage-deflate; client_max_window_bits",
       "permessage-deflate; server_max_window_bits=10"},
      {"permessage-deflate; server_max_window_bits=\"10\"",
       "permessage-deflate; server_max_window_bits=10"},
      {"permessage-deflate; server_max_window_bits=\"1\\0\"",
       "permessage-deflate; server_max_window_bits=10"},
      {"permessage-foo; a=b; c=\"d\", permessage-deflate", "permessage-deflate"},
      {" permessage-deflate\t;  server_max_window_bits =\t9 ",
       "permessage-deflate; server_max_window_bits=9"},
      {",, permessage-deflate ,", "permessage-deflate"},
      {"", ""},
      {"x-webkit-deflate-frame", ""},
      {"Permessage-Deflate", ""},
  };
  for (const auto& [offer, answer] : kExchanges) EXPECT_EQ(answer_to(offer), answer) << offer;
}

TEST(DeflateServer, DeclinesOffersWithBadParametersAndTakesTheNext) {
  for (const std::string_view parameter : {"server_max_window_bits",
                                           "server_max_window_bits=7",
                                           "server_max_window_bits=16",
                                           "server_max_window_bits=08",
                                           "server_max_window_bits=0",
                                           "server_max_window_bits=100",
                                           "server_max_window_bits=1e1",
                                           "server_max_window_bits=4294967306",
                                           "client_max_window_bits=7",
                                           "client_max_window_bits=16",
                                           "client_max_window_bits=x",
                                           "server_no_context_takeover=1",
                                           "client_no_context_takeover=true",
                                           "server_no_context_takeover; server_no_context_takeover",
                                           "client_max_window_bits; client_max_window_bits=10",
                                           "server_max_window_bits=10; server_max_window_bits=10",
                                           "unknown",
                                           "unknown=1",
                                           "Server_max_window_bits=10",
                                           "mem_level=9"}) {
    const std::string offer = "permessage-deflate; " + std::string(parameter);
    EXPECT_EQ(answer_to(offer), "") << offer;
    EXPECT_EQ(answer_to(offer + ", permessage-deflate"), "permessage-deflate") << offer;
  }
}

TEST(DeflateServer, RefusesWhatDoesNotFollowTheGrammar) {
  for (const std::string_view offer :
       {";", "permessage-deflate;", "permessage-deflate; ;", "permessage-deflate; a=",
        "permessage-deflate; a=\"", "permessage-deflate; a=\"\"", "permessage-deflate; a=\"b",
        "permessage-deflate; a=\"b c\"", "permessage-deflate; a=\"b\\\"", "permessage-deflate a",
        "permessage-deflate; a=b c", "=", "\"permessage-deflate\"", "permessage/deflate",
        "permessage-deflate, ;", "permessage-deflate; =b"})
    EXPECT_EQ(answer_to(offer), "!") << offer;
}

TEST(DeflateServer, HoldsToItsOwnLimits) {
  DeflateOffer willing;
  willing.server_max_window_bits = 10;
  EXPECT_EQ(answer_to("permessage-deflate", willing),
            "permessage-deflate; server_max_window_bits=10");
  EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits=12", willing),
            "permessage-deflate; server_max_window_bits=10");
  EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits=9", willing),
            "permessage-deflate; server_max_window_bits=9");

  willing = {};
  willing.client_max_window_bits = 10;
  EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits", willing),
            "permessage-deflate; client_max_window_bits=10");
  EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits=9", willing),
            "permessage-deflate; client_max_window_bits=9");
  EXPECT_EQ(answer_to("permessage-deflate", willing), "") << "the client cannot be told";
  EXPECT_EQ(answer_to("permessage-deflate, permessage-deflate; client_max_window_bits", willing),
            "permessage-deflate; client_max_window_bits=10");

  willing = {};
  willing.server_no_context_takeover = true;
  willing.client_no_context_takeover = true;
  EXPECT_EQ(answer_to("permessage-deflate", willing),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
}

TEST(DeflateServer, ReadsOffersOverSeveralFields) {
  HttpHeaders headers;
  ASSERT_TRUE(headers.add({"Sec-WebSocket-Extensions", "x-foo"}));
  ASSERT_TRUE(headers.add({"sec-websocket-extensions", "permessage-deflate; bad"}));
  ASSERT_TRUE(headers.add({"Sec-WebSocket-Extensions", ""}));
  ASSERT_TRUE(headers.add({"SEC-WEBSOCKET-EXTENSIONS", "permessage-deflate"}));
  EXPECT_EQ(text_of(choose_deflate(headers, {}).value().value()), "permessage-deflate");
}

Result<std::optional<DeflateParameters>> accept(std::string_view answer,
                                                const DeflateOffer& offer = {}) {
  return accept_deflate(headers_of(answer), &offer);
}

TEST(DeflateClient, AcceptsWhatItOffered) {
  EXPECT_EQ(accept("permessage-deflate").value(), DeflateParameters{});
  EXPECT_EQ(accept("").value(), std::nullopt);
  EXPECT_EQ(accept_deflate(HttpHeaders(), nullptr).value(), std::nullopt);

  const auto narrow =
      accept("permessage-deflate; client_max_window_bits=9; server_max_window_bits=\"10\"").value();
  EXPECT_EQ(narrow->client_side(), (DeflateSide{9, false}));
  EXPECT_EQ(narrow->server_side(), (DeflateSide{10, false}));

  const auto forgetful =
      accept("permessage-deflate;server_no_context_takeover;client_no_context_takeover").value();
  EXPECT_EQ(forgetful->client_side(), (DeflateSide{15, true}));
  EXPECT_EQ(forgetful->server_side(), (DeflateSide{15, true}));
}

TEST(DeflateClient, KeepsToWhatItSaidOfItself) {
  DeflateOffer offer;
  offer.client_max_window_bits = 10;
  offer.client_no_context_takeover = true;
  EXPECT_EQ(accept("permessage-deflate", offer).value()->client_side(), (DeflateSide{10, true}));
  EXPECT_EQ(accept("permessage-deflate; client_max_window_bits=9", offer).value()->client_side(),
            (DeflateSide{9, true}));
}

TEST(DeflateClient, RefusesWhatGoesBeyondItsOffer) {
  DeflateOffer offer;
  offer.server_max_window_bits = 10;
  offer.client_max_window_bits = 12;
  offer.server_no_context_takeover = true;
  constexpr std::string_view kGood =
      "permessage-deflate; server_no_context_takeover; server_max_window_bits=10";
  EXPECT_TRUE(accept(kGood, offer));
  struct Bad {
    std::string_view answer;
    std::string_view detail;
  };
  constexpr Bad kBad[] = {
      {"permessage-deflate; server_max_window_bits=10",
       "server_no_context_takeover was asked for and is missing"},
      {"permessage-deflate; server_no_context_takeover",
       "server_max_window_bits is more than was asked for, or missing"},
      {"permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
       "server_max_window_bits is more than was asked for, or missing"},
      {"permessage-deflate; server_no_context_takeover; server_max_window_bits=10; "
       "client_max_window_bits=13",
       "client_max_window_bits is more than was offered"},
  };
  for (const auto& [answer, detail] : kBad) {
    const auto accepted = accept(answer, offer);
    ASSERT_FALSE(accepted) << answer;
    EXPECT_EQ(accepted.error().code(), Errc::upgrade_extension_invalid);
    EXPECT_EQ(accepted.error().detail(), detail);
  }
}

TEST(DeflateClient, RefusesAWindowThatItCannotChange) {
  DeflateOffer offer;
  offer.client_max_window_bits_offered = false;
  EXPECT_EQ(accept("permessage-deflate; client_max_window_bits=15", offer).error().detail(),
            "client_max_window_bits was not offered");
}

TEST(DeflateClient, RefusesBadParametersAndLists) {
  for (const std::string_view answer :
       {"permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=7", "permessage-deflate; unknown",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate, permessage-deflate", "permessage-deflate;", "permessage-deflate; a=\"",
        "permessage-deflate x", ";"}) {
    const auto accepted = accept(answer);
    ASSERT_FALSE(accepted) << answer;
    EXPECT_EQ(accepted.error().code(), Errc::upgrade_extension_invalid) << answer;
  }
  HttpHeaders twice;
  ASSERT_TRUE(twice.add({"Sec-WebSocket-Extensions", "permessage-deflate"}));
  ASSERT_TRUE(twice.add({"Sec-WebSocket-Extensions", "permessage-deflate"}));
  const DeflateOffer offer;
  EXPECT_EQ(accept_deflate(twice, &offer).error().detail(), "permessage-deflate twice");
}

TEST(DeflateClient, RefusesExtensionsThatItDidNotAskFor) {
  for (const std::string_view answer : {"x-foo", "permessage-deflate, x-foo", "Permessage-Deflate"})
    EXPECT_EQ(accept(answer).error().code(), Errc::upgrade_extension_unasked) << answer;
  EXPECT_EQ(accept_deflate(headers_of("permessage-deflate"), nullptr).error().code(),
            Errc::upgrade_extension_unasked);
}

}  // namespace
}  // namespace zenwire
