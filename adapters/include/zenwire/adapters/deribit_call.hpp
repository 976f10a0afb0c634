#pragma once

// Deribit's methods as texts: a JSON-RPC 2.0 request with named parameters, which is the only form
// that the venue takes (no batches, no positions).
//
//     DeribitCall call(draft, "private/get_open_orders_by_currency");
//     call.text("currency", "BTC").number("depth", 10).end();

#include <cstdint>
#include <string_view>

#include <zenwire/engine/draft.hpp>

namespace zenwire::adapters {

// Thread: its draft's. Writes into the draft as it goes.
class DeribitCall {
 public:
  // `id` is written as it is; the other form uses the draft's own, and so waits for an answer.
  DeribitCall(Draft& draft, std::string_view method, std::int64_t id) noexcept : draft_(draft) {
    draft_.text(R"({"jsonrpc":"2.0","id":)").number(id);
    draft_.text(R"(,"method":)").quoted(method).text(R"(,"params":{)");
  }
  DeribitCall(Draft& draft, std::string_view method) noexcept
      : DeribitCall(draft, method, draft.id()) {}

  DeribitCall& text(std::string_view name, std::string_view value) noexcept {
    key(name).quoted(value);
    return *this;
  }
  DeribitCall& secret(std::string_view name, std::string_view value) noexcept {
    key(name).secret(value);
    return *this;
  }
  DeribitCall& number(std::string_view name, std::int64_t value) noexcept {
    key(name).number(value);
    return *this;
  }
  // A number as text ("0.0005"), true, false, an array: written as it is.
  DeribitCall& json(std::string_view name, std::string_view value) noexcept {
    key(name).text(value);
    return *this;
  }
  void end() noexcept { draft_.text("}}"); }

 private:
  Draft& key(std::string_view name) noexcept {
    if (!first_) draft_.text(",");
    first_ = false;
    return draft_.quoted(name).text(":");
  }

  Draft& draft_;
  bool first_ = true;
};

}  // namespace zenwire::adapters
