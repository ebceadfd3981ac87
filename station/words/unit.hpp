// The words of a unit's way (DESIGN sections 2 and 4).
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "station/words/bytes.hpp"

namespace mintmark {

// FORMATS, "Hardware id": the source is a word of the product, `id` lower-case hex of the raw
// bytes.
struct HardwareId {
  HardwareId() = default;
  HardwareId(std::string source_word, std::string id_hex)
      : source(std::move(source_word)), id(std::move(id_hex)) {}
  std::string source;
  std::string id;
  Bytes raw() const;  // the bytes behind `id`
  auto operator<=>(const HardwareId&) const = default;
};

// FORMATS, "Serial": [A-Z0-9][A-Z0-9._-]{0,31}.
bool is_serial(std::string_view text);

// FORMATS, "Control symbol": MM1:<serial>:<place>:<attempt>. It holds no secret.
struct ControlSymbol {
  ControlSymbol() = default;
  ControlSymbol(std::string serial_, std::string place_, int attempt_)
      : serial(std::move(serial_)), place(std::move(place_)), attempt(attempt_) {}
  std::string serial;
  std::string place;
  int attempt = 0;
  std::string str() const;
  static std::optional<ControlSymbol> parse(std::string_view text);
  bool operator==(const ControlSymbol&) const = default;
};

// DESIGN section 4, in order.
enum class Step {
  identify,
  reserve,
  enrol,
  mint,
  inject,
  prove,
  reset_check,
  lock,
  label,
  scan,
  done
};

std::string_view word(Step step);
std::optional<Step> step_from(std::string_view word);
Step after(Step step);  // done stays done

}  // namespace mintmark
