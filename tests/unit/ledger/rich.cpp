#include "rich.hpp"

#include "station/ledger/acts.hpp"
#include "station/ledger/escrow.hpp"
#include "station/ledger/returns.hpp"
#include "station/ledger/signers.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {

template <class Work>
static void act(Station& station, const std::string& kind, const std::string& subject, Work work) {
  station.write([&](Transaction& db) {
    Act asked;
    asked.id = uuid7();
    asked.kind = kind;
    asked.subject = subject;
    asked.reason = "seen to be good";
    acts::propose(db, "olga", asked);
    work(db, Actor("oscar"), acts::confirm(db, "oscar", asked.id, "done"));
  });
}

Rich::Rich() {
  appoint();
  lot = station.open_lot(20, 2);
  mintmark::Run first = station.pass(lot, "aa01");
  station.pass(lot, "aa02");
  station.write([&](Transaction& db) {
    runs::quarantine_unit(db, self(), HardwareId("emmc-cid", "aa02"), "s1", "hwid.cannot_sign");
  });
  act(station, "unit.release", "emmc-cid:aa02", &returns::release);
  mintmark::Run open = station.enrolled(lot, "aa03");
  station.write([&](Transaction& db) {
    runs::burn_decoy(db, open, "password", 0, random_digest());
    runs::void_label(db, alice(), first, ControlSymbol(first.serial, "device", 1), "torn");
    runs::record_second_certificate(db, open, "matter", {0x30, 0x00});
    signers::add(db, alice(), "label", Bytes(32, 7));
    escrow::install(db, alice(), Bytes(91, 4));
    lots::stop_issuing(db, self(), "rng.broken", "stuck");
  });
  station.ledger->checkpoint_now(station.signer());
}

void Rich::appoint() {
  station.write([&](Transaction& db) {
    Person lena;
    lena.name = "lena";
    lena.roles = {Role::lead};
    lena.uid = 1001;
    people::add(db, alice(), lena, random_digest());
  });
  station.appoint({"olga", "oscar"});
}

static std::string what_of(const Fault& fault) {
  auto it = fault.args().find("what");
  return fault.code() + (it == fault.args().end() ? "" : " " + it->second);
}

std::string opening(const std::string& path) {
  try {
    Ledger ledger(path);
  } catch (const Fault& fault) {
    return what_of(fault);
  }
  return "opened";
}

}  // namespace mintmark::test
