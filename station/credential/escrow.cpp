#include "station/credential/escrow.hpp"

#include <array>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kPoint = 65, kTag = 16;
constexpr std::string_view kInfo = "mintmark/escrow/v1";
// One key closes one seal: its nonce need not differ.
constexpr std::array<std::uint8_t, 12> kNonce{};

// RFC 5869 over the shared X, with both points as salt.
Secret key_of(const Secret& shared, View ephemeral, View recipient) {
  Bytes salt = to_bytes(ephemeral);
  salt.insert(salt.end(), recipient.begin(), recipient.end());
  return hkdf_sha256(salt, shared.view(), kInfo, 32);
}

Bytes point_of(View spki) {
  auto point = p256_point(spki);
  if (!point) throw Fault("escrow.key");
  return *point;
}

}  // namespace

Bytes seal_aad(std::string_view ledger, std::string_view run, std::string_view hardware,
               std::string_view klass, View fingerprint) {
  return frame({view(ledger), view(run), view(hardware), view(klass), fingerprint});
}

Bytes close_escrow(View spki, View aad, const Secret& secret) {
  Bytes recipient = point_of(spki);
  EphemeralKey ephemeral;
  Bytes point = ephemeral.point();
  auto shared = ephemeral.agree(recipient);
  if (!shared) throw Fault("escrow.key");
  Bytes sealed = gcm_seal(key_of(*shared, point, recipient).view(), kNonce, aad, secret.view());
  Bytes out{kVersion};
  out.insert(out.end(), point.begin(), point.end());
  out.insert(out.end(), sealed.begin(), sealed.end());
  return out;
}

Secret open_escrow(const Agree& agree, View spki, View aad, View sealed) {
  Fault broken("seal.broken", {{"key", "escrow"}});
  if (sealed.size() < 1 + kPoint + kTag || sealed[0] != kVersion) throw broken;
  Bytes recipient = point_of(spki);
  View point = sealed.subspan(1, kPoint);
  Secret shared = agree(point);
  auto plain =
      gcm_open(key_of(shared, point, recipient).view(), kNonce, aad, sealed.subspan(1 + kPoint));
  if (!plain) throw broken;
  return std::move(*plain);
}

}  // namespace mintmark
