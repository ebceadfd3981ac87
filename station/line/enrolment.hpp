// The step enrol: the unit gets an identity key and its certificate (DESIGN section 4).
#pragma once

#include "station/ledger/runs.hpp"
#include "station/line/passage.hpp"
#include "station/line/services.hpp"

namespace mintmark {

class Enrolment {
 public:
  Enrolment(Services services, Passage& passage) : services_(services), p_(passage) {}

  // Takes the unit from wherever it is to a certified key that it has, and answers the evidence.
  Task<Evidence> enrol();

 private:
  Task<void> keep();
  Task<void> certify_own();
  Task<void> certify_wrapped();
  Task<void> open_session();
  void vouch(const Bytes& spki);
  Bytes key_of(const KeyRequest& request);
  struct Issue;
  Task<Bytes> certificate();
  Task<Bytes> second_certificate(const LdevidProfile& profile);
  Task<Bytes> certificates();
  Task<Bytes> reopen_key();
  Task<KeyDelivery> make_wrapped(const Bytes& static_spki);
  Task<KeyDelivery> find_wrapped(const runs::SealedKey& key, const Bytes& static_spki);
  Bytes associated_data(const std::string& run, const Digest& fingerprint) const;
  Task<void> seen_to_sign();

  Services services_;
  Passage& p_;
  bool pkcs10_ = false;         // the unit asked by a PKCS#10 request
  std::string peer_ = "known";  // the journal says how it was met when its key was committed
};

}  // namespace mintmark
