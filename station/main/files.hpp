// Files as the command writes and reads them: whole, private where they must be, never over
// another.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "station/words/bytes.hpp"

namespace mintmark {

std::string read_text(const std::string& path, std::size_t limit = std::size_t{4} << 20);
// Replaces the file in one rename after syncing it. Fault "file.write" (file, reason).
void write_text(const std::string& path, std::string_view text, unsigned mode = 0644);
// Fault "file.exists" (file) where there is something already.
void write_new(const std::string& path, std::string_view text, unsigned mode);

// RFC 8410 keys in PEM: 32 bytes of the public key. Fault "key.unreadable" (file, reason).
Bytes read_ed25519_public(const std::string& path);
// A P-256 public key in PEM: its SubjectPublicKeyInfo, 91 bytes. Fault "escrow.key".
Bytes read_p256_public(const std::string& path);
// A public key as PEM (RFC 7468).
std::string public_pem(View spki);
// A detached signature over exactly these bytes, in base64 with a newline: the text of a .sig file.
std::string sign_ed25519(const std::string& private_key_path, View message);

// A new P-256 key and a self-signed certificate for these names (RFC 5280), 397 days.
void write_tls_pair(const std::string& certificate, const std::string& key,
                    const std::vector<std::string>& names);

}  // namespace mintmark
