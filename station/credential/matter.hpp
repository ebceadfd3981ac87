// Matter commissioning secrets (Matter Core 3.10 SPAKE2+, 5.1 onboarding payload): the passcode and
// what is made of it. The unit gets the verifier, the label the QR payload and the manual code.
#pragma once

#include <cstdint>

#include "hsm/vault.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

// Of 27 bits, 99,999,988 are passcodes: 00000001 to 99999998 without the ten that 5.1.7.1 forbids
// (11111111 … 88888888, 12345678, 87654321).
inline constexpr std::int64_t kMatterPasscodes = 99'999'988;
bool is_matter_passcode(std::uint32_t code);

// Each passcode with the same probability, as eight decimal digits. Fault("rng.broken") if 200
// draws in a row (p = 0.745 each) are none.
Secret mint_matter_passcode(Vault& vault);

// What PAKE takes beside the passcode (3.9): 1,000 to 100,000 iterations, 16 to 32 bytes of salt.
inline constexpr unsigned kMatterFewestIterations = 1'000, kMatterMostIterations = 100'000;
inline constexpr std::size_t kMatterSalt = 32, kMatterVerifier = 97;

// w0 and L: 32 bytes, big-endian, and the 65 bytes of an uncompressed P-256 point. w0 and w1 are
// the halves of PBKDF2-HMAC-SHA-256(passcode as 32 bits little-endian, salt, iterations, 80 bytes)
// mod n, L = w1 G.
Secret matter_verifier(const Secret& passcode, View salt, unsigned iterations);

// What all units of a product have in common in their onboarding payloads (5.1.3).
struct MatterProduct {
  std::uint16_t vendor = 0, product = 0;
  std::uint8_t flow = 0;       // 0 standard, 1 user intent, 2 custom
  std::uint8_t discovery = 0;  // bits: 1 soft AP, 2 BLE, 4 on network
};

// "MT:" and 19 symbols of Base38. `discriminator` has 12 bits.
Secret matter_qr(const MatterProduct& product, std::uint16_t discriminator, const Secret& passcode);
// 11 digits, or 21 with vendor and product where the flow is not the standard one (5.1.4.1).
Secret matter_manual_code(const MatterProduct& product, std::uint16_t discriminator,
                          const Secret& passcode);

// As it is printed: 4-3-4 digits, or 4-3-4-5-5.
Secret group_manual_code(const Secret& digits);

// The check digit of a string of decimal digits, '0' to '9' (Verhoeff's dihedral one).
std::uint8_t verhoeff_digit(View digits);

// All that a unit needs to be commissioned and nothing that the label shows: discriminator (16 bits
// big-endian), iterations (32 bits big-endian), salt (32 bytes), verifier: 135 bytes.
Secret matter_blob(std::uint16_t discriminator, unsigned iterations, View salt,
                   const Secret& verifier);
inline constexpr std::size_t kMatterBlob = 2 + 4 + kMatterSalt + kMatterVerifier;
std::uint16_t matter_discriminator(const Secret& blob);
// Salt and verifier: the part that no two units in the world share.
View matter_salted(const Secret& blob);

}  // namespace mintmark
