// How passwords must not be made. A product file can only ask for random ones; this looks at what
// another scheme, or a supplier, has made: a sample of labels from which a rule can be guessed is
// refused, whatever the rule was called.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace mintmark {

// One label of the scheme under test: all of it is public but the password.
struct LabelSample {
  LabelSample() = default;
  std::string password, serial, mac, ssid;  // empty where the label has none
};

struct PasswordFinding {
  PasswordFinding(std::string code_, int sample_, std::string says_)
      : code(std::move(code_)), sample(sample_), says(std::move(says_)) {}
  // password.short, .known_default, .constant, .counter or .derived
  std::string code;
  int sample;        // from 1
  std::string says;  // what was seen; never the password
};

// Without case and separators: how defaults are compared.
std::string plain_form(std::string_view password);

// One a line; lines that begin with '#' and empty ones do not count.
std::set<std::string> read_defaults(std::string_view text);
// schema/known-defaults.txt
const std::set<std::string>& known_defaults();

// RFC 4180 with a header that names the columns: password and any of serial, mac, ssid. Fault
// "samples.malformed" (line, reason).
std::vector<LabelSample> read_samples(std::string_view csv);

// Every finding, in order of the samples; at most one of each kind for each sample. The samples
// must be in the order in which they were made for a counter to be seen.
//  short: below 64 bits even if each symbol had been drawn from all that are of its kinds
//  known_default: on the list
//  constant: as another sample's, or of one symbol
//  counter: three in a row that differ by the same step in one number, decimal, hex or of letters
//  derived: shares four symbols in a row with serial, MAC or SSID, forwards or backwards, or is
//           part of an MD5, SHA-1 or SHA-256 of one of them, in hex, Base32 or Base64
std::vector<PasswordFinding> lint_passwords(const std::vector<LabelSample>& samples,
                                            const std::set<std::string>& defaults);

}  // namespace mintmark
