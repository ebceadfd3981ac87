// The secrets of one run: minted in the token, kept under the lot's run seal, tried on the unit's
// front door.
#pragma once

#include "station/line/passage.hpp"
#include "station/line/services.hpp"

namespace mintmark {

class RunSecrets {
 public:
  RunSecrets(Services services, Passage& passage) : services_(services), p_(passage) {}

  // Mints what the product asks for and commits fingerprints, sealed copies and run nonce in one
  // transaction.
  Task<void> mint();
  // The run's password, opened from its seal.
  Task<Secret> password();
  // A fresh secret under the product's own policy whose fingerprint is burnt before it is returned.
  Task<Secret> decoy();

  // Tries `password` as a user would, inside the open session. Wrong tries are counted before they
  // are sent.
  Task<bool> try_right(const Secret& password);
  Task<bool> try_wrong(const Secret& password, std::string kind);
  // nullopt if every known default is refused, else the one that was let in.
  Task<std::optional<std::string>> accepted_default();

 private:
  Bytes associated_data(const Credential& credential) const;

  Services services_;
  Passage& p_;
};

}  // namespace mintmark
