// The secrets of one run: minted in the token, kept under the lot's run seal, tried on the unit's
// front door.
#pragma once

#include "station/label/template.hpp"
#include "station/ledger/escrow.hpp"
#include "station/line/passage.hpp"
#include "station/line/recipe.hpp"
#include "station/line/services.hpp"

namespace mintmark {

// A password that a unit must refuse, and what is wrong with one that lets it in.
struct WrongPassword {
  WrongPassword(std::string kind_, Secret password_, Fault if_accepted_)
      : kind(std::move(kind_)),
        password(std::move(password_)),
        if_accepted(std::move(if_accepted_)) {}
  std::string kind;  // for the journal
  Secret password;
  Fault if_accepted;
  std::optional<Digest> to_burn;  // the fingerprint of a decoy that nobody has had yet
};

class RunSecrets {
 public:
  RunSecrets(Services services, Passage& passage) : services_(services), p_(passage) {}

  // Mints what the product asks for and commits fingerprints, sealed copies and run nonce in one
  // transaction, which `then` ends the step in. Codes that another unit of the product has already
  // are drawn again, all of them.
  using Then = std::function<Run(Transaction&, Run, const Evidence&)>;
  Task<void> mint(Then then);
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

  // Tries `password` as a user would, inside the open session.
  Task<bool> try_right(const Secret& password);
  // Tries these in turn. All are counted, and decoys burnt, in one commit before the first is sent:
  // a crash costs tries, never the count of one.
  Task<void> must_refuse(std::vector<WrongPassword> wrong);
  // A decoy for must_refuse, and every default that the product knows: its fault is `code`, with
  // the argument `password`.
  Task<WrongPassword> wrong_decoy(Fault if_accepted);
  void add_defaults(std::vector<WrongPassword>& wrong, std::string_view code) const;

 private:
  struct Decoy {
    Secret password;
    Digest fingerprint{};
  };
  Task<Decoy> draw_decoy();
  Task<bool> mint_once(const Then& then, int redraws);
  Task<void> count(const std::vector<Drawn>& drawn);
  Task<std::optional<EscrowKey>> escrow_key();  // where the product asks for escrow
  Task<std::vector<Credential>> sealed(const std::vector<Drawn>& drawn);
  Task<Secret> deposited(const Deposit& deposit);
  Bytes associated_data(const Credential& credential) const;

  Services services_;
  Passage& p_;
};

}  // namespace mintmark
