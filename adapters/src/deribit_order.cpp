#include <array>
#include <charconv>
#include <cstring>

#include <zenwire/adapters/deribit_order.hpp>

namespace zenwire::adapters {

struct DeribitOrder::Text {
  std::string text;
  Field id, amount, price, order_id;

  explicit Text(std::string_view method) {
    text = R"({"jsonrpc":"2.0","id":)";
    id = blank(kId_bytes);
    text += R"(,"method":")" + std::string(method) + R"(","params":{)";
  }
  // JSON has no empty number: a field that was never set is 0.
  Field blank(std::size_t bytes) {
    const Field field{text.size(), bytes};
    text.append(bytes - 1, ' ');
    text += '0';
    return field;
  }
  void member(std::string_view name) {
    if (text.back() != '{') text += ',';
    text += '"' + std::string(name) + "\":";
  }
  void more(std::string_view members) {
    if (members.empty()) return;
    if (text.back() != '{') text += ',';
    text += members;
  }
  void end() { text += "}}"; }
};

DeribitOrder::DeribitOrder(MethodTable& methods, std::string_view method, const Text& text)
    : method_(methods.intern(method)),
      id_(text.id),
      amount_(text.amount),
      price_(text.price),
      order_id_(text.order_id),
      message_(Opcode::text, as_bytes(text.text)) {}

DeribitOrder DeribitOrder::trade(MethodTable& methods, std::string_view method,
                                 std::string_view instrument, std::string_view more) {
  Text text(method);
  text.member("instrument_name");
  text.text += '"' + std::string(instrument) + '"';
  text.member("amount");
  text.amount = text.blank(kDecimal_bytes);
  text.member("price");
  text.price = text.blank(kDecimal_bytes);
  text.more(more);
  text.end();
  return DeribitOrder(methods, method, text);
}

DeribitOrder DeribitOrder::buy(MethodTable& methods, std::string_view instrument,
                               std::string_view more) {
  return trade(methods, "private/buy", instrument, more);
}

DeribitOrder DeribitOrder::sell(MethodTable& methods, std::string_view instrument,
                                std::string_view more) {
  return trade(methods, "private/sell", instrument, more);
}

// The order's id is a string: its field is blank-filled behind the closing quote.
DeribitOrder DeribitOrder::edit(MethodTable& methods, std::string_view more) {
  Text text("private/edit");
  text.member("order_id");
  text.order_id = {text.text.size(), kOrderId_bytes + 2};
  text.text += "\"\"" + std::string(kOrderId_bytes, ' ');
  text.member("amount");
  text.amount = text.blank(kDecimal_bytes);
  text.member("price");
  text.price = text.blank(kDecimal_bytes);
  text.more(more);
  text.end();
  return DeribitOrder(methods, "private/edit", text);
}

DeribitOrder DeribitOrder::cancel(MethodTable& methods) {
  Text text("private/cancel");
  text.member("order_id");
  text.order_id = {text.text.size(), kOrderId_bytes + 2};
  text.text += "\"\"" + std::string(kOrderId_bytes, ' ');
  text.end();
  return DeribitOrder(methods, "private/cancel", text);
}

DeribitOrder DeribitOrder::cancel_all(MethodTable& methods) {
  Text text("private/cancel_all");
  text.end();
  return DeribitOrder(methods, "private/cancel_all", text);
}

DeribitOrder DeribitOrder::cancel_by_label(MethodTable& methods, std::string_view label) {
  Text text("private/cancel_by_label");
  text.member("label");
  text.text += '"' + std::string(label) + '"';
  text.end();
  return DeribitOrder(methods, "private/cancel_by_label", text);
}

void DeribitOrder::set_number(const Field& field, std::string_view decimal) noexcept {
  ZW_ASSERT(field.bytes != 0 && !decimal.empty() && decimal.size() <= field.bytes);
  std::array<char, kDecimal_bytes> text;
  static_assert(kId_bytes <= kDecimal_bytes);
  std::memset(text.data(), ' ', field.bytes);
  std::memcpy(text.data() + field.bytes - decimal.size(), decimal.data(), decimal.size());
  message_.patch(field.offset, {text.data(), field.bytes});
}

void DeribitOrder::set_id(std::int64_t id) noexcept {
  ZW_ASSERT(id >= 0);
  char digits[kId_bytes];
  const auto end = std::to_chars(digits, digits + sizeof digits, id).ptr;
  set_number(id_, {digits, static_cast<std::size_t>(end - digits)});
  id_value_ = id;
}

void DeribitOrder::set_order_id(std::string_view order_id) noexcept {
  ZW_ASSERT(order_id_.bytes != 0 && order_id.size() <= kOrderId_bytes);
  std::array<char, kOrderId_bytes + 2> text;
  text.fill(' ');
  text[0] = '"';
  std::memcpy(text.data() + 1, order_id.data(), order_id.size());
  text[order_id.size() + 1] = '"';
  message_.patch(order_id_.offset, {text.data(), text.size()});
}

}  // namespace zenwire::adapters
