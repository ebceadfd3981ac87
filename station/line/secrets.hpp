// The secrets of one run: minted in the token, kept under the lot's run seal, tried on the unit's
// front door.
#pragma once

#include "station/label/template.hpp"
#include "station/ledger/escrow.hpp"
#include "station/line/passage.hpp"
#include "station/line/recipe.hpp"
#include "station/line/services.hpp"

namespace mintmark {

class RunSecrets {
 public:
  RunSecrets(Services services, Passage& passage) : services_(services), p_(passage) {}

  // Mints what the product asks for and commits fingerprints, sealed copies and run nonce in one
  // transaction. Codes that another unit of the product has already are drawn again, all of them:
  // answers how often.
  Task<int> mint();
  // The run's password, and any other of its secrets by name, opened from its seal.
  Task<Secret> password() { return opened(p_.product.password_name); }
  Task<Secret> opened(std::string name);
  // What stands for the names that `form` asks for and that are secret.
  Task<Template::Secrets> for_label(const Template& form);
  // The run's MAC, or nothing where the order gives none.
  Task<std::string> mac();

  // Inside the open session: everything that the product deposits in its units.
  Task<void> inject_all();
  // That the unit holds exactly these. `raw_only`: those that it keeps as they are.
  Task<void> prove_all(bool raw_only, std::string fault_if_not);
  // A fresh secret under the product's own policy whose fingerprint is burnt before it is returned.
  Task<Secret> decoy();

  // Tries `password` as a user would, inside the open session. Wrong tries are counted before they
  // are sent.
  Task<bool> try_right(const Secret& password);
  Task<bool> try_wrong(const Secret& password, std::string kind);
  // nullopt if every known default is refused, else the one that was let in.
  Task<std::optional<std::string>> accepted_default();

 private:
  Task<bool> mint_once();
  Task<void> count(const std::vector<Drawn>& drawn);
  Task<std::optional<EscrowKey>> escrow_key();  // where the product asks for escrow
  Task<std::vector<Credential>> sealed(const std::vector<Drawn>& drawn);
  Task<Secret> deposited(const Deposit& deposit);
  Bytes associated_data(const Credential& credential) const;

  Services services_;
  Passage& p_;
};

}  // namespace mintmark
