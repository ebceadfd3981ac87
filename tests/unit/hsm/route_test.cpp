// How a key leaves a token for one unit: measured on SoftHSM2, and the unit's side of both
// derivations.
#include "hsm/route.hpp"

#include <gtest/gtest.h>

#include "tests/unit/fault_of.hpp"
#include "tests/unit/hsm/shared.hpp"

namespace mintmark::pkcs11 {
namespace {

std::unique_ptr<Session> route_session() {
  vault();  // logged in
  auto& module = Module::load(SoftToken::kModule);
  return std::make_unique<Session>(module, module.find(TokenUri(shared_token().uri())),
                                   Session::Access::read);
}

// SoftHSM2 2.6.1 has CKD_NULL alone, no 0x210B, and its 0x210A is really RFC 5649.
TEST(Route, IsMeasuredAndLeavesNothing) {
  std::size_t before = route_session()->find({}).size();
  auto route = measure_wrap_route(route_session);
  ASSERT_TRUE(route);
  EXPECT_EQ(route->kdf, WrapKdf::aes_cbc_data);
  EXPECT_EQ(route->wrap, CK_MECHANISM_TYPE{CKM_AES_KEY_WRAP_PAD});
  EXPECT_EQ(route_session()->find({}).size(), before);
}

// SHA-256 of Z = 32 bytes 0x01, counter 1, context = 32 bytes 0x02, and AES-256-CBC of the same:
// by the openssl command and by Python's hashlib.
TEST(Route, TheUnitsSideOfBothDerivations) {
  Secret shared = Secret::copy_of(Bytes(32, 1));
  Digest context;
  context.fill(2);
  EXPECT_EQ(hex(wrapping_key(WrapKdf::x963_sha256, shared, context).view()),
            "838b7ce408e28e165322d2bd269302f5aabc83b8a3b7d516b1a273684b867b78");
  EXPECT_EQ(hex(wrapping_key(WrapKdf::aes_cbc_data, shared, context).view()),
            "62ae12f324bfea08d5f675b513026bbf2b72081e017004c2ff9a22b2e80b1c67");
}

// RFC 5649 section 6 has AES-192 only; this blob is `openssl enc -id-aes256-wrap-pad` of 20 bytes.
TEST(Route, UnwrapsWhatIsWhole) {
  Bytes key(32, 3);
  auto blob = from_hex("d220e2b2509d83e035f962527209f255a751cff794ae0ef0ae507233a9387b1e");
  ASSERT_TRUE(blob);
  auto plain = kwp_unwrap(key, *blob);
  ASSERT_TRUE(plain);
  EXPECT_EQ(hex(plain->view()), "c37b7e6492584340bed12207808941155068f738");
  for (std::size_t i = 0; i < blob->size(); ++i) {
    Bytes bad = *blob;
    bad[i] ^= 1;
    EXPECT_FALSE(kwp_unwrap(key, bad)) << i;
    EXPECT_FALSE(kwp_unwrap(key, View(*blob).first(i))) << i;
  }
  EXPECT_EQ(fault_of([&] { kwp_unwrap(View(key).first(16), *blob); }), "crypto.failed");
}

}  // namespace
}  // namespace mintmark::pkcs11
