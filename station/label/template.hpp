// A label template: ZPL II with placeholders, frozen into a lot by the digest of its bytes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "station/label/lint.hpp"
#include "station/words/bytes.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

// Four characters, a hyphen, four characters: how a person reads a password. The hyphens are never
// part of it (FORMATS, "Fingerprint").
Secret group_by_four(const Secret& canonical);

class Template {
 public:
  using Fields = std::map<std::string, std::string>;
  using Secrets = std::map<std::string, Secret>;

  // Checks every rule of lint.hpp; throws Fault("template.invalid", {"line", "reason"}).
  static Template parse(View bytes);

  // The label's ZPL, in locked memory because it may hold secrets. Each byte of a value that is not
  // [A-Za-z0-9 .:/-] goes as an ^FH escape, so no value can end its field or be a command.
  // `fields` are not secret; `secrets` are those of is_secret_field(), printed as they are, and may
  // be absent where the template does not ask for them. Throws Fault("label.sink", {"reason"}) when
  // a value that the template asks for is missing, empty or longer than 512 bytes, when `fields`
  // holds a secret one, or when one of `fields` contains a secret.
  Secret render(const Fields& fields, const Secrets& secrets) const;

  bool uses(std::string_view name) const;
  const Digest& digest() const { return digest_; }  // SHA-256 of the template's bytes

 private:
  Template() = default;
  Bytes bytes_;
  std::vector<Placeholder> placeholders_;
  Digest digest_{};
};

}  // namespace mintmark
