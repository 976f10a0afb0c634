#include <algorithm>
#include <iterator>

#include <zenwire/adapters/deribit_error.hpp>

namespace zenwire::adapters {
namespace {

using A = DeribitAdvice;

// In the order of the codes (checked below).
constexpr DeribitError kErrors[] = {
    {-32700, "parse_error", A::mend},
    {-32602, "invalid_params", A::mend},
    {-32601, "method_not_found", A::mend},
    {-32600, "request_entity_too_large", A::mend},
    {-32000, "missing_params", A::mend},
    {10000, "authorization_required", A::credentials},
    {10001, "error", A::decide},
    {10002, "qty_too_low", A::mend},
    {10003, "order_overlap", A::decide},
    {10004, "order_not_found", A::decide},
    {10005, "price_too_low", A::decide},
    {10006, "price_too_low4idx", A::decide},
    {10007, "price_too_high", A::decide},
    {10009, "not_enough_funds", A::decide},
    {10010, "already_closed", A::decide},
    {10011, "price_not_allowed", A::mend},
    {10012, "book_closed", A::decide},
    {10028, "too_many_requests", A::slow_down},
    {10029, "not_owner_of_order", A::mend},
    {10030, "must_be_websocket_request", A::mend},
    {10031, "invalid_args_for_instrument", A::mend},
    {10032, "whole_cost_too_low", A::mend},
    {10033, "not_implemented", A::mend},
    {10034, "trigger_price_too_high", A::decide},
    {10035, "trigger_price_too_low", A::decide},
    {10036, "invalid_max_show_amount", A::mend},
    {10040, "retry", A::retry},
    {10041, "settlement_in_progress", A::retry},
    {10043, "price_wrong_tick", A::mend},
    {10044, "stop_price_wrong_tick", A::mend},
    {10045, "can_not_cancel_liquidation_order", A::decide},
    {10046, "can_not_edit_liquidation_order", A::decide},
    {10047, "matching_engine_queue_full", A::retry},
    {10048, "not_on_this_server", A::mend},
    {10049, "cancel_on_disconnect_failed", A::decide},
    {10066, "too_many_concurrent_requests", A::slow_down},
    {11008, "already_filled", A::decide},
    {11029, "invalid_arguments", A::mend},
    {11030, "other_reject", A::decide},
    {11031, "other_error", A::decide},
    {11042, "permission_denied", A::credentials},
    {11043, "bad_argument", A::mend},
    {11044, "not_open_order", A::decide},
    {11045, "invalid_event", A::mend},
    {11046, "outdated_instrument", A::mend},
    {11047, "unsupported_arg_combination", A::mend},
    {11049, "bad_arguments", A::mend},
    {11050, "bad_request", A::mend},
    {11051, "system_maintenance", A::retry},
    {11052, "subscribe_error_unsubscribed", A::retry},
    {11054, "post_only_reject", A::decide},
    {13004, "invalid_credentials", A::credentials},
    {13009, "unauthorized", A::credentials},
    {13010, "value_required", A::mend},
    {13020, "not_found", A::mend},
    {13021, "forbidden", A::credentials},
    {13028, "temporarily_unavailable", A::retry},
    {13403, "user_locked", A::credentials},
};

constexpr bool in_order() {
  for (std::size_t i = 1; i < std::size(kErrors); ++i) {
    if (kErrors[i - 1].code >= kErrors[i].code) return false;
  }
  return true;
}
static_assert(in_order());

constexpr DeribitError kUnknown = {0, "unknown", A::mend};

}  // namespace

const DeribitError& deribit_error(std::int64_t code) noexcept {
  const auto* const row = std::lower_bound(
      std::begin(kErrors), std::end(kErrors), code,
      [](const DeribitError& error, std::int64_t wanted) noexcept { return error.code < wanted; });
  return row != std::end(kErrors) && row->code == code ? *row : kUnknown;
}

}  // namespace zenwire::adapters
