// What a label template may contain. Strict on purpose: a printer obeys every command it is sent,
// so a template names only commands that this list knows, and a unit's data can never become one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "station/label/command.hpp"

namespace mintmark {

// A placeholder {{name}} and where it stands in the template's bytes, braces included.
struct Placeholder {
  std::string name;
  std::size_t begin = 0, end = 0;
  bool in_block = false;  // the field has ^FB, where a backslash must be doubled
};

// Whether a name stands for a secret of the unit.
bool is_secret_field(std::string_view name);

// The rules, each a Fault("template.invalid", {"line", "reason"}) when broken:
//  - at most 64 KiB, printable ASCII and line ends; other characters as ^FH escapes
//  - one ^XA first, one ^XZ last, no ~ anywhere, only commands of the known list, arguments in form
//  - ^CI28 (UTF-8) before the first field; ^PQ only as ^PQ1: one label is one attempt
//  - a field is ^FO or ^FT, one font or one symbol, ^FD, ^FS, in that order
//  - ^BQ directly behind ^BY2,3,10: a printer moves a QR code down by the current bar height
//  - {{name}} only in the ^FD of a field with ^FH, and only names that a label has
//  - a secret alone in its field: {{password}}, {{wifi_key}} and {{matter_manual}} never in a
//    symbol, {{wifi_qr}} and {{matter_qr}} only in ^BQ
//  - in ^BX and ^BC only control and serial, in ^BQ also link and {{dpp_uri}}, which stands nowhere
//    else
//  - {{control}} in at least one symbol: without it the label cannot be scanned back
std::vector<Placeholder> lint_template(std::string_view zpl);

}  // namespace mintmark
