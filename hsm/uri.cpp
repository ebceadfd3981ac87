#include "hsm/uri.hpp"

#include <p11-kit/uri.h>

#include <algorithm>

#include "station/words/fault.hpp"

namespace mintmark::pkcs11 {

static Fault refuse(const char* reason) { return Fault("token.uri", {{"reason", reason}}); }

static std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }

// RFC 7512 section 2.4 leaves the form of pin-source open; here it is a file with an absolute path,
// as "file:/p" or "file:///p" (RFC 8089), never a command.
static std::string file_of(const std::string& source) {
  if (source.empty()) return source;
  if (source.rfind("file:/", 0) != 0) throw refuse("pin-source is not file:/...");
  std::string path = source.substr(5);
  if (path.rfind("//", 0) == 0) path = path.substr(2);
  if (path.empty() || path[0] != '/') throw refuse("pin-source is not an absolute path");
  return path;
}

// Unset fields are zeros in p11-kit's structure.
std::string field(const unsigned char* text, std::size_t size) {
  std::string out(reinterpret_cast<const char*>(text), size);
  out.resize(std::min(out.find('\0'), out.size()));
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

TokenUri::TokenUri(const std::string& uri) : uri_(p11_kit_uri_new(), p11_kit_uri_free) {
  if (p11_kit_uri_parse(uri.c_str(), P11_KIT_URI_FOR_ANY, uri_.get()) != P11_KIT_URI_OK)
    throw refuse("not an RFC 7512 URI");
  if (p11_kit_uri_get_pin_value(uri_.get()) != nullptr)
    throw refuse("pin-value is refused: use pin-source");
  if (p11_kit_uri_any_unrecognized(uri_.get()) != 0) throw refuse("an attribute is unknown");

  const CK_TOKEN_INFO* token = p11_kit_uri_get_token_info(uri_.get());
  label_ = field(token->label);
  serial_ = field(token->serialNumber);
  if (label_.empty() && serial_.empty()) throw refuse("neither token nor serial");
  module_path_ = text_or_empty(p11_kit_uri_get_module_path(uri_.get()));
  if (module_path_.empty() || module_path_[0] != '/')
    throw refuse("module-path is not an absolute path");
  pin_file_ = file_of(text_or_empty(p11_kit_uri_get_pin_source(uri_.get())));
}

bool TokenUri::matches(const CK_TOKEN_INFO& token) const {
  CK_TOKEN_INFO copy = token;
  return p11_kit_uri_match_token_info(uri_.get(), &copy) == 1;
}

std::string TokenUri::name() const { return label_.empty() ? serial_ : label_; }

}  // namespace mintmark::pkcs11
