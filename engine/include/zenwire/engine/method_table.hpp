#pragma once

// MethodTable: the names of request methods ("private/buy") as small numbers.
//
// A name is looked up once; its cost, its priority and its histogram are then array elements at the
// same number. Who knows his methods interns them at the start and never looks one up again.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <zenwire/base/assert.hpp>

namespace zenwire {

// An index into the MethodTable that made it. 0 is every method for which there was no room.
enum class MethodId : std::uint16_t { other = 0 };

constexpr std::size_t index_of(MethodId method) noexcept {
  return static_cast<std::size_t>(method);
}

// Thread: the reactor's. Cost of intern(): one hash of the name and, nearly always, one comparison;
// no allocation after construction. Names stay for as long as the table.
class MethodTable {
 public:
  static constexpr std::size_t kName_bytes_max = 63;
  static constexpr std::uint16_t kMethods_max = 4096;

  // `methods_max` names at most, "other" not counted.
  explicit MethodTable(std::uint16_t methods_max = 127);

  // The method's number, given to it now if it has none. MethodId::other when the table is full or
  // the name is empty or longer than kName_bytes_max.
  MethodId intern(std::string_view name) noexcept;
  // The same without adding it: MethodId::other for a name that is not known.
  [[nodiscard]] MethodId find(std::string_view name) const noexcept;

  [[nodiscard]] std::string_view name(MethodId method) const noexcept {
    ZW_ASSERT(index_of(method) < count_);
    return {names_[index_of(method)].text.data(), names_[index_of(method)].bytes};
  }
  // "other" counts: every MethodId of this table is below it.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  // What count() can become: the size for arrays by MethodId.
  [[nodiscard]] std::size_t count_max() const noexcept { return count_max_; }

  MethodTable(const MethodTable&) = delete;
  MethodTable& operator=(const MethodTable&) = delete;

 private:
  struct Name {
    std::array<char, kName_bytes_max> text;
    std::uint8_t bytes;
  };
  static_assert(sizeof(Name) == 64);

  [[nodiscard]] std::size_t place_of(std::string_view name) const noexcept;

  std::size_t count_max_;
  std::size_t count_ = 0;
  std::size_t mask_;
  std::unique_ptr<Name[]> names_;
  // Open addressing, at most half full; 0 is a free place.
  std::unique_ptr<std::uint16_t[]> places_;
};

}  // namespace zenwire
