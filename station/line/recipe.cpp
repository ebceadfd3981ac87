#include "station/line/recipe.hpp"

#include "station/credential/wifi.hpp"
#include "station/words/crypto.hpp"

namespace mintmark {

Drawn::Drawn(std::string name, std::string klass, Secret value_, const Digest& fingerprint)
    : value(std::move(value_)) {
  kept.name = std::move(name);
  kept.klass = std::move(klass);
  kept.fingerprint = fingerprint;
}

// `context` is empty where it is not derived.
static Drawn draw_password(Vault& vault, const std::string& name, const std::string& klass,
                           const PasswordPolicy& policy,
                           const std::vector<std::string>& public_strings,
                           const Bytes& context = {}) {
  Redraws redraws{};
  Secret value = context.empty()
                     ? mint_password(vault, policy, public_strings, &redraws)
                     : derive_password(vault, policy, context, public_strings, &redraws);
  Digest fingerprint = vault.fingerprint(value.view());
  Drawn out(name, klass, std::move(value), fingerprint);
  out.policy = policy;
  out.redraws = redraws;
  return out;
}

// Never the same again: the ledger counts a unit's mints up, for ever, and a ledger that was put
// back to an earlier day begins other runs.
static Bytes derivation_context(const std::string& ledger, const Product& product, const Run& run,
                                int mints) {
  std::string unit = run.hardware_id.source + ":" + run.hardware_id.id;
  std::string number = std::to_string(product.number), time = std::to_string(mints);
  return frame({view(ledger), view(number), view(unit), view(run.id), view(product.password_name),
                view(time)});
}

// A passcode is one of few: it is unique within its product. Its salt and verifier have all the
// bits they need to be unique in the world.
static void draw_matter(Vault& vault, const MatterOnboarding& matter, std::int64_t product_number,
                        std::vector<Drawn>& out) {
  Secret passcode = mint_matter_passcode(vault);
  Secret salt = vault.random_secret(kMatterSalt);
  Bytes random = vault.random(2);
  auto discriminator = static_cast<std::uint16_t>((random[0] & 0x0f) << 8 | random[1]);
  Secret verifier = matter_verifier(passcode, salt.view(), matter.iterations);
  Secret blob = matter_blob(discriminator, matter.iterations, salt.view(), verifier);
  Digest of_code = vault.fingerprint(passcode.view());
  Digest of_blob = vault.fingerprint(matter_salted(blob));
  out.emplace_back(kMatterPasscode, "matter-passcode", std::move(passcode), of_code);
  out.back().kept.scope = product_number;
  out.back().kept.most = matter.most;
  out.emplace_back(kMatterUnit, "matter-verifier", std::move(blob), of_blob);
}

std::vector<Drawn> draw_credentials(Vault& vault, const Product& product, const Run& run,
                                    const std::string& mac, const std::string& ledger, int mints) {
  std::vector<Drawn> out;
  std::vector<std::string> known = {run.serial, run.hardware_id.id, mac};
  if (product.password) {
    Bytes context = product.keyed ? derivation_context(ledger, product, run, mints) : Bytes();
    out.push_back(
        draw_password(vault, product.password_name, "password", *product.password, known, context));
    if (product.keyed) out.back().kept.derived_at = mints;
    out.back().escrow = product.escrow;
  }
  if (product.wifi) {
    known.push_back(derive_ssid(product.wifi->ssid, run.serial, mac));
    out.push_back(draw_password(vault, kWifiKey, "wifi-key", product.wifi->key, known));
    out.back().escrow = product.wifi->escrow;
  }
  if (product.matter) draw_matter(vault, *product.matter, product.number, out);
  for (const SymmetricKey& key : product.keys) {
    Secret value = vault.random_secret(key.bytes);
    Digest fingerprint = vault.fingerprint(value.view());
    out.emplace_back(key.name, "symmetric-key", std::move(value), fingerprint);
    out.back().escrow = key.escrow;
  }
  return out;
}

std::vector<Deposit> deposits(const Product& product) {
  std::vector<Deposit> out;
  if (product.password) out.emplace_back(product.password_name, false);
  if (product.wifi) {
    out.emplace_back(kWifiSsid, true);
    out.emplace_back(kWifiKey, true);
  }
  if (product.matter) out.emplace_back(kMatterUnit, true);
  for (const SymmetricKey& key : product.keys) out.emplace_back(key.name, true);
  return out;
}

}  // namespace mintmark
