#include <string>

#include <gtest/gtest.h>

#include <zenwire/testing/gtest.hpp>
#include <zenwire/testing/json_rpc.hpp>

#include "mock_client.hpp"

namespace zenwire::testing {
namespace {

struct Exchange {
  const char* name;
  const char* request;
  const char* reply;
};

class Venue : public ::testing::TestWithParam<Exchange> {};

TEST_P(Venue, answers) {
  MockServer server = MockServer::start().value();
  server.on_message(JsonRpcVenue()
                        .on("echo",
                            [](const JsonRpcRequest& request) {
                              return json_rpc_result(request, request.params);
                            })
                        .on("refuse",
                            [](const JsonRpcRequest& request) {
                              return json_rpc_error(request, 13009, "unauthorized");
                            })
                        .on("tell",
                            [](const JsonRpcRequest& request) {
                              return json_rpc_notification("told", "[" + request.params + "]");
                            })
                        .handler());
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_open());
  EXPECT_EQ(client.connection().send_text(GetParam().request), Errc::ok);
  ASSERT_TRUE(client.wait_for_messages(1));
  EXPECT_EQ(client.messages.at(0), GetParam().reply);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Venue,
    ::testing::Values(
        Exchange{"Result", R"({"jsonrpc":"2.0","id":7,"method":"echo","params":{"a":[1]}})",
                 R"({"jsonrpc":"2.0","id":7,"result":{"a":[1]}})"},
        Exchange{"TextId", R"({"id":"x","method":"refuse"})",
                 R"({"jsonrpc":"2.0","id":"x","error":{"code":13009,"message":"unauthorized"}})"},
        Exchange{"Notification", R"({"method":"tell","params":1})",
                 R"({"jsonrpc":"2.0","method":"told","params":[1]})"},
        Exchange{
            "UnknownMethod", R"({"id":1,"method":"none"})",
            R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"method not found"}})"},
        Exchange{
            "NoRequest", "hello",
            R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not a request"}})"}),
    [](const auto& at) { return at.param.name; });

}  // namespace
}  // namespace zenwire::testing
