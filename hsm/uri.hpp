// RFC 7512 token URIs, read by p11-kit's parser.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>

struct p11_kit_uri;

namespace mintmark::pkcs11 {

// pkcs11:token=LABEL?module-path=/...so&pin-source=file:/...  or with serial= instead of token=.
// Fault("token.uri", reason) for anything else, among it any pin-value: a URI is configuration, and
// a configuration holds no secret. The URI itself is never repeated in a fault.
class TokenUri {
 public:
  explicit TokenUri(const std::string& uri);

  const std::string& module_path() const { return module_path_; }
  const std::string& label() const { return label_; }  // empty where the URI has only a serial
  const std::string& pin_file() const { return pin_file_; }  // empty where it names none
  // Label, serial, manufacturer and model, as far as the URI states them.
  bool matches(const CK_TOKEN_INFO& token) const;
  std::string name() const;  // for faults: the label, or else the serial

 private:
  std::shared_ptr<p11_kit_uri> uri_;
  std::string module_path_, label_, serial_, pin_file_;
};

// A field of a Cryptoki structure: blank padded, not terminated (section 3.1).
std::string field(const unsigned char* text, std::size_t size);
template <std::size_t N>
std::string field(const unsigned char (&text)[N]) {
  return field(text, N);
}

}  // namespace mintmark::pkcs11
