// Contracts about keys and objects: what the vault's rules stand on.
#include <array>

#include "hsm/contract.hpp"

namespace mintmark::pkcs11 {

namespace {

void keep_stated(Session& session, const std::string& what, CK_OBJECT_HANDLE key,
                 const Attributes& stated) {
  for (const auto& [type, want] : stated.items()) {
    auto have = session.attribute(key, type);
    bool flag = have && want.size() == 1 && have->size() == 1;
    bool same = flag ? (want[0] != 0) == (have->at(0) != 0) : have && want == *have;
    if (same) continue;
    std::string of = std::string(name_of_attribute(type)) + " of " + what;
    throw Violated(have ? of + " is " + hex(*have) : of + " is not there");
  }
}

std::string attributes_as_stated(Bench& bench) {
  Session& session = bench.session;
  Attributes seal = session_secret(CKK_AES, {CKA_ENCRYPT, CKA_DECRYPT}, Leaves::never);
  seal.flag(CKA_MODIFIABLE, false).number(CKA_VALUE_LEN, 32);
  keep_stated(session, "an AES key", session.generate_key(CKM_AES_KEY_GEN, seal), seal);
  Attributes code = session_secret(CKK_GENERIC_SECRET, {CKA_SIGN}, Leaves::never);
  code.flag(CKA_MODIFIABLE, false).number(CKA_VALUE_LEN, 32);
  keep_stated(session, "a generic secret", session.generate_key(CKM_GENERIC_SECRET_KEY_GEN, code),
              code);
  Attributes open = session_public(CKK_EC, {CKA_VERIFY}).bytes(CKA_EC_PARAMS, kP256Parameters);
  Attributes signer = session_private(CKK_EC, {CKA_SIGN}, Leaves::never);
  signer.flag(CKA_MODIFIABLE, false);
  KeyPair pair = session.generate_pair(CKM_EC_KEY_PAIR_GEN, open, signer);
  keep_stated(session, "a private key", pair.secret, signer);
  return "AES, generic secret, EC";
}

std::string mechanisms_as_stated(Bench& bench) {
  Attributes code = session_secret(CKK_GENERIC_SECRET, {CKA_SIGN}, Leaves::never);
  code.number(CKA_VALUE_LEN, 32).number(CKA_ALLOWED_MECHANISMS, CKM_SHA256_HMAC);
  keep_stated(bench.session, "a generic secret",
              bench.session.generate_key(CKM_GENERIC_SECRET_KEY_GEN, code), code);
  return "CKA_ALLOWED_MECHANISMS";
}

std::string says_it_was_made_inside(Bench& bench) {
  Attributes inside;
  inside.flag(CKA_LOCAL, true).flag(CKA_ALWAYS_SENSITIVE, true).flag(CKA_NEVER_EXTRACTABLE, true);
  Session& session = bench.session;
  keep_stated(session, "a generated key", make_secret(session, CKK_AES, 32, {CKA_ENCRYPT}), inside);
  keep_stated(session, "a generated pair",
              make_pair_on(session, kP256Parameters, {CKA_SIGN}).secret, inside);
  Attributes outside;
  outside.flag(CKA_LOCAL, false).flag(CKA_ALWAYS_SENSITIVE, false);
  outside.flag(CKA_NEVER_EXTRACTABLE, false);
  keep_stated(session, "an imported key",
              import_secret(session, CKK_AES, Bytes(32, 7), {CKA_ENCRYPT}), outside);
  return "CKA_LOCAL, and false on an imported key";
}

std::string value_is_unreadable(Bench& bench) {
  Session& session = bench.session;
  auto value = session.attribute(make_secret(session, CKK_AES, 32, {CKA_ENCRYPT}), CKA_VALUE);
  keep(!value, "the value of a sensitive secret key was read");
  value = session.attribute(make_pair_on(session, kP256Parameters, {CKA_SIGN}).secret, CKA_VALUE);
  keep(!value, "the value of a sensitive private key was read");
  return "CKR_ATTRIBUTE_SENSITIVE";
}

std::string unextractable_stays_inside(Bench& bench) {
  CK_MECHANISM wrap = any_key_wrap(bench.open);
  Session& session = bench.session;
  CK_OBJECT_HANDLE by = make_secret(session, CKK_AES, 32, {CKA_WRAP});
  CK_OBJECT_HANDLE secret = make_secret(session, CKK_GENERIC_SECRET, 32, {CKA_SIGN});
  return must_refuse("a key that is not extractable was wrapped",
                     [&] { session.wrap(wrap, by, secret); });
}

std::string unextractable_pair_stays_inside(Bench& bench) {
  CK_MECHANISM wrap = any_key_wrap(bench.open);
  Session& session = bench.session;
  CK_OBJECT_HANDLE by = make_secret(session, CKK_AES, 32, {CKA_WRAP});
  KeyPair leaves = make_pair_on(session, kP256Parameters, {CKA_SIGN}, Leaves::wrapped);
  session.wrap(wrap, by, leaves.secret);
  KeyPair stays = make_pair_on(session, kP256Parameters, {CKA_SIGN});
  return must_refuse("a private key that is not extractable was wrapped",
                     [&] { session.wrap(wrap, by, stays.secret); });
}

std::string unextractable_for_ever(Bench& bench) {
  Session& session = bench.session;
  CK_OBJECT_HANDLE key = make_secret(session, CKK_AES, 32, {CKA_ENCRYPT});
  return must_refuse("a key was made extractable afterwards",
                     [&] { session.change(key, Attributes().flag(CKA_EXTRACTABLE, true)); });
}

std::string made_unextractable(Bench& bench) {
  Session& session = bench.session;
  KeyPair pair = make_pair_on(session, kP256Parameters, {CKA_SIGN}, Leaves::wrapped);
  session.change(pair.secret, Attributes().flag(CKA_EXTRACTABLE, false));
  auto now = session.attribute(pair.secret, CKA_EXTRACTABLE);
  keep(now && now->at(0) == 0, "the token said yes and changed nothing");
  return "C_SetAttributeValue";
}

std::string wrapping_key_only_wraps(Bench& bench) {
  CK_MECHANISM wrap = any_key_wrap(bench.open);
  Session& session = bench.session;
  CK_OBJECT_HANDLE by = make_secret(session, CKK_AES, 32, {CKA_WRAP});
  session.wrap(wrap, by, make_secret(session, CKK_AES, 32, {CKA_ENCRYPT}, Leaves::wrapped));
  Bytes iv(12, 1);
  must_refuse("a wrapping key encrypted", [&] { session.gcm_encrypt(by, iv, {}, Bytes(16, 0)); });
  auto second = bench.open();
  return must_refuse("a wrapping key decrypted",
                     [&] { second->gcm_decrypt(by, iv, {}, Bytes(32, 0)); });
}

std::string signer_only_signs(Bench& bench) {
  Session& session = bench.session;
  KeyPair deriver = make_pair_on(session, kP256Parameters, {CKA_DERIVE});
  must_refuse("a key that may only derive signed",
              [&] { session.sign(CKM_ECDSA, deriver.secret, Bytes(32, 1)); });
  auto second = bench.open();
  CK_OBJECT_HANDLE seal = make_secret(*second, CKK_AES, 32, {CKA_ENCRYPT});
  return must_refuse("a key that may only encrypt decrypted",
                     [&] { second->gcm_decrypt(seal, Bytes(12, 1), {}, Bytes(32, 0)); });
}

std::string mechanism_only_as_allowed(Bench& bench) {
  Session& session = bench.session;
  CK_OBJECT_HANDLE any = make_secret(session, CKK_GENERIC_SECRET, 64, {CKA_SIGN});
  session.sign(CKM_SHA512_HMAC, any, Bytes(8, 1));
  Attributes only = session_secret(CKK_GENERIC_SECRET, {CKA_SIGN}, Leaves::never);
  only.number(CKA_VALUE_LEN, 64).number(CKA_ALLOWED_MECHANISMS, CKM_SHA256_HMAC);
  CK_OBJECT_HANDLE key = session.generate_key(CKM_GENERIC_SECRET_KEY_GEN, only);
  session.sign(CKM_SHA256_HMAC, key, Bytes(8, 1));
  return must_refuse("a key did a mechanism that it is not allowed",
                     [&] { session.sign(CKM_SHA512_HMAC, key, Bytes(8, 1)); });
}

std::string only_under_a_trusted_key(Bench& bench) {
  CK_MECHANISM wrap = any_key_wrap(bench.open);
  Session& session = bench.session;
  CK_OBJECT_HANDLE by = make_secret(session, CKK_AES, 32, {CKA_WRAP});
  Attributes guarded = session_secret(CKK_GENERIC_SECRET, {CKA_SIGN}, Leaves::wrapped);
  guarded.flag(CKA_WRAP_WITH_TRUSTED, true).number(CKA_VALUE_LEN, 32);
  CK_OBJECT_HANDLE key = session.generate_key(CKM_GENERIC_SECRET_KEY_GEN, guarded);
  return must_refuse("a WRAP_WITH_TRUSTED key was wrapped under a user's own key",
                     [&] { session.wrap(wrap, by, key); });
}

std::string trust_is_not_the_users(Bench& bench) {
  Session& session = bench.session;
  CK_OBJECT_HANDLE by = make_secret(session, CKK_AES, 32, {CKA_WRAP});
  return must_refuse("the user made a wrapping key trusted",
                     [&] { session.change(by, Attributes().flag(CKA_TRUSTED, true)); });
}

constexpr Contract kKeyContracts[] = {
    {"a key has the attributes it was made with", true, attributes_as_stated},
    {"a key has the mechanisms it was made with", false, mechanisms_as_stated},
    {"a key made inside says so", true, says_it_was_made_inside},
    {"a sensitive key's value is not readable", true, value_is_unreadable},
    {"an unextractable secret key is not wrapped", true, unextractable_stays_inside},
    {"an unextractable private key is not wrapped", true, unextractable_pair_stays_inside},
    {"unextractable is for ever", true, unextractable_for_ever},
    {"extractable can be ended", false, made_unextractable},
    {"a wrapping key neither encrypts nor decrypts", true, wrapping_key_only_wraps},
    {"a key has no use but its own", true, signer_only_signs},
    {"a key does its allowed mechanism alone", false, mechanism_only_as_allowed},
    {"wrap-with-trusted needs a trusted key", false, only_under_a_trusted_key},
    {"a user cannot make a key trusted", false, trust_is_not_the_users},
};

std::string found_by_label(Bench& bench) {
  Session& session = bench.session;
  Attributes key = session_secret(CKK_AES, {CKA_ENCRYPT}, Leaves::never);
  key.number(CKA_VALUE_LEN, 32).bytes(CKA_LABEL, view("mintmark-qualify"));
  CK_OBJECT_HANDLE made = session.generate_key(CKM_AES_KEY_GEN, key);
  Attributes which;
  which.number(CKA_CLASS, CKO_SECRET_KEY).bytes(CKA_LABEL, view("mintmark-qualify"));
  auto found = session.find(which);
  keep(found.size() == 1 && found.front() == made, "one was made, another number was found");
  Attributes other;
  other.bytes(CKA_LABEL, view("mintmark-qualif"));
  keep(session.find(other).empty(), "a label was found by its beginning");
  session.generate_key(CKM_AES_KEY_GEN, key);
  keep(session.find(which).size() == 2, "a second object with the label was not found");
  return "labels are not unique";
}

std::string destroyed_is_gone(Bench& bench) {
  Session& session = bench.session;
  CK_OBJECT_HANDLE key = make_secret(session, CKK_GENERIC_SECRET, 32, {CKA_SIGN});
  session.destroy(key);
  return must_refuse("a destroyed key signed",
                     [&] { session.sign(CKM_SHA256_HMAC, key, Bytes(8, 1)); });
}

std::string ends_with_its_session(Bench& bench) {
  auto maker = bench.open();
  CK_OBJECT_HANDLE key = make_secret(*maker, CKK_GENERIC_SECRET, 32, {CKA_SIGN});
  bench.session.sign(CKM_SHA256_HMAC, key, Bytes(8, 1));
  maker.reset();
  return must_refuse("a session object outlived its session",
                     [&] { bench.session.sign(CKM_SHA256_HMAC, key, Bytes(8, 1)); });
}

std::string login_is_the_tokens(Bench& bench) {
  bench.open()->find(Attributes().number(CKA_CLASS, CKO_PRIVATE_KEY));  // asks for its state
  return "a new session is logged in";
}

std::string read_only_writes_nothing(Bench& bench) {
  Attributes key = session_secret(CKK_AES, {CKA_ENCRYPT}, Leaves::never);
  Attributes token;
  for (const auto& [type, value] : key.items())
    if (type != CKA_TOKEN) token.bytes(type, value);
  token.flag(CKA_TOKEN, true).number(CKA_VALUE_LEN, 32);
  return must_refuse("a read-only session made a token object", [&] {
    bench.session.destroy(bench.session.generate_key(CKM_AES_KEY_GEN, token));
  });
}

std::string sixteen_at_once(Bench& bench) {
  std::vector<std::unique_ptr<Session>> many;
  many.reserve(16);
  for (int i = 0; i < 16; ++i) many.push_back(bench.open());
  std::array<std::uint8_t, 32> some{};
  for (auto& one : many) one->random(some);
  return "16";
}

constexpr Contract kObjectContracts[] = {
    {"objects are found by their whole label", true, found_by_label},
    {"a destroyed object is gone", true, destroyed_is_gone},
    {"a session object ends with its session", true, ends_with_its_session},
    {"a login is the whole token's", true, login_is_the_tokens},
    {"a read-only session writes nothing", false, read_only_writes_nothing},
    {"several sessions at once", true, sixteen_at_once},
};

}  // namespace

std::span<const Contract> key_contracts() { return kKeyContracts; }
std::span<const Contract> object_contracts() { return kObjectContracts; }

}  // namespace mintmark::pkcs11
