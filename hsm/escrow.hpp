// The escrow token: not the station's, in other hands. The station knows the public half of its key
// and can close the escrow seal with it; only here is it opened.
//
// Faults as of vault.hpp.
#pragma once

#include <memory>

#include "hsm/vault.hpp"

namespace mintmark {

class EscrowToken {
 public:
  // The escrow key pair in a token of its own: a new one where there is an SO PIN, else one that
  // exists and has no such key. Its SubjectPublicKeyInfo (P-256, 91 bytes).
  static Bytes create(const TokenConfig& config, View so_pin);

  explicit EscrowToken(const TokenConfig& config);
  ~EscrowToken();
  EscrowToken(const EscrowToken&) = delete;
  EscrowToken& operator=(const EscrowToken&) = delete;

  const Bytes& spki() const;
  // ECDH (PKCS#11 CKM_ECDH1_DERIVE, CKD_NULL) with an uncompressed point: the shared X, 32 bytes.
  // The one value that leaves the token, and it opens one secret. Fault("token.refused") where
  // `point` is none.
  Secret agree(View point);

 private:
  struct Open;
  std::unique_ptr<Open> open_;
};

}  // namespace mintmark
