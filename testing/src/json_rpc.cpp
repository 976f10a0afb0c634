#include <optional>

#include <simdjson.h>

#include <zenwire/testing/json_rpc.hpp>

namespace zenwire::testing {
namespace {

constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;

std::string member_as_json(simdjson::dom::element document, std::string_view key) {
  simdjson::dom::element member;
  if (document.at_key(key).get(member) != simdjson::SUCCESS) return {};
  return simdjson::minify(member);
}

std::optional<JsonRpcRequest> parsed(const CapturedMessage& message) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string_view method;
  if (parser.parse(message.payload).get(document) != simdjson::SUCCESS) return std::nullopt;
  if (document.at_key("method").get(method) != simdjson::SUCCESS) return std::nullopt;
  return JsonRpcRequest{.client = message.client,
                        .id = member_as_json(document, "id"),
                        .method = std::string(method),
                        .params = member_as_json(document, "params")};
}

std::string reply(const JsonRpcRequest& request, std::string_view member, std::string_view value) {
  const std::string id = request.id.empty() ? "null" : request.id;
  return R"({"jsonrpc":"2.0","id":)" + id + ",\"" + std::string(member) +
         "\":" + std::string(value) + "}";
}

}  // namespace

Script json_rpc_result(const JsonRpcRequest& request, std::string_view result) {
  return Script().text(reply(request, "result", result));
}

Script json_rpc_error(const JsonRpcRequest& request, int code, std::string_view message) {
  return Script().text(reply(
      request, "error",
      R"({"code":)" + std::to_string(code) + R"(,"message":")" + std::string(message) + "\"}"));
}

Script json_rpc_notification(std::string_view method, std::string_view params) {
  return Script().text(R"({"jsonrpc":"2.0","method":")" + std::string(method) + R"(","params":)" +
                       std::string(params) + "}");
}

JsonRpcVenue& JsonRpcVenue::on(std::string method, Handler handler) {
  handlers_.insert_or_assign(std::move(method), std::move(handler));
  return *this;
}

MockServer::MessageHandler JsonRpcVenue::handler() const {
  return [handlers = handlers_](const CapturedMessage& message) {
    const auto request = parsed(message);
    if (!request) return json_rpc_error({}, kInvalidRequest, "not a request");
    const auto at = handlers.find(request->method);
    if (at != handlers.end()) return at->second(*request);
    if (request->id.empty()) return Script();
    return json_rpc_error(*request, kMethodNotFound, "method not found");
  };
}

}  // namespace zenwire::testing
