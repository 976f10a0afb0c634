#pragma once

// A venue that speaks JSON-RPC 2.0, for a MockServer to play:
//
//     server.on_message(JsonRpcVenue()
//                           .on("public/test", [](const JsonRpcRequest& request) {
//                             return json_rpc_result(request, R"({"version":"1"})");
//                           })
//                           .handler());

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <zenwire/testing/mock_server.hpp>
#include <zenwire/testing/script.hpp>

namespace zenwire::testing {

struct JsonRpcRequest {
  ClientId client = 0;
  std::string id{};      // as JSON: 7, "seven"; empty for a notification
  std::string method{};  // decoded
  std::string params{};  // as JSON; empty when there are none
};

// The frames that answer a request, or tell of something. `result` and `params` are JSON.
Script json_rpc_result(const JsonRpcRequest& request, std::string_view result);
// `message` is plain text without quotes or backslashes.
Script json_rpc_error(const JsonRpcRequest& request, int code, std::string_view message);
Script json_rpc_notification(std::string_view method, std::string_view params);

// A value; the handlers run on the server's thread.
class JsonRpcVenue {
 public:
  using Handler = std::function<Script(const JsonRpcRequest&)>;

  // What a method answers; its last handler counts.
  JsonRpcVenue& on(std::string method, Handler handler);
  // For MockServer::on_message(). A method without a handler is answered with -32601, what is no
  // request with -32600; a notification without one with nothing.
  [[nodiscard]] MockServer::MessageHandler handler() const;

 private:
  std::map<std::string, Handler> handlers_;
};

}  // namespace zenwire::testing
