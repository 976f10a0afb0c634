#pragma once

// DeribitOrder: an order message made once and sent often: only its id, amount, price or order id
// are patched in place, each a few bytes of a fixed width, so that from the decision to the send
// nothing is formatted or parsed.
//
// JSON allows blanks before a value, so a number is right-aligned in its field.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/method_table.hpp>
#include <zenwire/engine/request_table.hpp>

namespace zenwire::adapters {

// Thread: one at a time. Made at start: it allocates; patching does not.
class DeribitOrder {
 public:
  static constexpr std::size_t kId_bytes = 19;       // of a positive 64-bit number
  static constexpr std::size_t kDecimal_bytes = 24;  // of a price or an amount
  static constexpr std::size_t kOrderId_bytes = 32;

  // `more`: further parameters as JSON members, `"post_only":true,"label":"mm-1"`. Amounts and
  // prices are set before each send.
  static DeribitOrder buy(MethodTable& methods, std::string_view instrument,
                          std::string_view more = {});
  static DeribitOrder sell(MethodTable& methods, std::string_view instrument,
                           std::string_view more = {});
  static DeribitOrder edit(MethodTable& methods, std::string_view more = {});
  static DeribitOrder cancel(MethodTable& methods);
  static DeribitOrder cancel_all(MethodTable& methods);
  static DeribitOrder cancel_by_label(MethodTable& methods, std::string_view label);

  void set_id(std::int64_t id) noexcept;
  // Decimals as text ("0.0005"). Assert that the message has that field and that the text fits.
  void set_amount(std::string_view decimal) noexcept { set_number(amount_, decimal); }
  void set_price(std::string_view decimal) noexcept { set_number(price_, decimal); }
  // The venue's id of an order, without characters that JSON escapes.
  void set_order_id(std::string_view order_id) noexcept;

  [[nodiscard]] Bytes payload() const noexcept { return message_.payload(); }
  [[nodiscard]] MethodId method() const noexcept { return method_; }
  [[nodiscard]] RequestId id() const noexcept { return RequestId(id_value_); }

 private:
  struct Field {
    std::size_t offset = 0;  // 0: the message has no such field
    std::size_t bytes = 0;
  };
  struct Text;  // of the message while it is made

  DeribitOrder(MethodTable& methods, std::string_view method, const Text& text);
  static DeribitOrder trade(MethodTable& methods, std::string_view method,
                            std::string_view instrument, std::string_view more);
  void set_number(const Field& field, std::string_view decimal) noexcept;

  MethodId method_;
  std::int64_t id_value_ = 0;
  Field id_;
  Field amount_;
  Field price_;
  Field order_id_;
  PreparedMessage message_;
};

}  // namespace zenwire::adapters
