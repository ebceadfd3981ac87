// A unit's way through the ledger, and what must not happen on it.
#include <algorithm>

#include "station.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::test {

struct RunTest : testing::Test {
  using R = mintmark::Run;
  Station station;
  std::string lot = station.open_lot(20, 2);

  template <class F>
  auto write(F work) {
    return station.write(std::move(work));
  }
  R admit(const R& run) {
    return write([&](Transaction& db) { return runs::admit(db, run); });
  }
  R admitted(const std::string& hw, const std::string& slot = "s1") {
    return station.step(admit(station.begin(lot, hw, slot)));
  }
  R commit(const R& run, const Bytes& spki) {
    return write([&](Transaction& db) { return runs::commit_key(db, run, spki, sha256(spki)); });
  }
  R mint(const R& run, const std::vector<Credential>& credentials, int most = 3) {
    return write([&](Transaction& db) {
      for (std::size_t i = 0; i < credentials.size(); ++i) runs::next_iv(db, run.lot);
      return runs::mint(db, run, random_bytes(16), credentials, most);
    });
  }
  R minted(const std::string& hw) {
    R run = station.step(commit(admitted(hw), random_bytes(91)));
    return mint(run, {password()});
  }
  R end(const R& run, Ending ending, const std::string& code) {
    return write([&](Transaction& db) { return runs::end(db, self(), run, ending, code, {}); });
  }
  Standing standing(const std::string& hw) {
    return station.read([&](Reader& db) { return runs::standing(db, HardwareId("emmc-cid", hw)); });
  }
  int count(const std::string& sql) {
    return station.read([&](Reader& db) { return *db.value<int>(sql); });
  }
};

// Station::write holds each answer against the ledger.
TEST_F(RunTest, GoesOnFromStepToStepInOneChange) {
  R run = station.begin(lot, "aa77");
  run = write([&](Transaction& db) { return runs::intend(db, self(), run); });
  run = admit(run);
  for (Step next : {Step::enrol, Step::mint, Step::inject}) {
    run = write([&](Transaction& db) { return runs::step_on(db, self(), run, {}); });
    EXPECT_EQ(run.next, next);
    EXPECT_TRUE(run.begun);
  }
  Evidence failed;
  failed.result = StepResult::failed;
  run = write([&](Transaction& db) { return runs::step_on(db, self(), run, failed); });
  EXPECT_EQ(run.next, Step::inject);
  EXPECT_FALSE(run.interrupted);
  R older = run;
  older.next = Step::mint;
  EXPECT_EQ(fault_of([&] {
              write([&](Transaction& db) { return runs::step_on(db, self(), older, {}); });
            }),
            "run.moved");
  while (run.next != Step::done)
    run = write([&](Transaction& db) { return runs::step_on(db, self(), run, {}); });
  EXPECT_FALSE(run.begun);
}

TEST_F(RunTest, TheWholeWayIsJournalled) {
  R run = station.pass(lot, "aa01");
  EXPECT_EQ(run.ending, Ending::passed);
  EXPECT_EQ(run.serial, "SN-000001");
  auto history = station.read([&](Reader& db) { return runs::history(db, run.id); });
  std::vector<std::string> types;
  for (const std::string& line : history) {
    Json entry = Json::parse(line);
    std::string type = entry["type"];
    if (type != "step.begin" && type != "step.end") types.push_back(type);
    EXPECT_EQ(entry["hw"]["id"], "aa01");
    EXPECT_EQ(entry["slot"], "s1");
    EXPECT_EQ(entry.contains("serial"), type != "run.begin");
  }
  std::vector<std::string> wanted{"run.begin",         "unit.admit",      "key.commit",
                                  "certificate.issue", "credential.mint", "secret.offer",
                                  "label.attempt",     "label.applied",   "run.end"};
  EXPECT_EQ(types, wanted);
  Standing now = standing("aa01");
  EXPECT_FALSE(now.open);
  EXPECT_EQ(now.last->id, run.id);
  EXPECT_EQ(now.spki.size(), 91u);
  EXPECT_EQ(now.serial, run.serial);
  EXPECT_EQ(count("SELECT count(*) FROM run_seal"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM burn"), 0);
  Lot after = station.read([&](Reader& db) { return lots::get(db, lot); });
  EXPECT_EQ(after.admitted, 1);
  EXPECT_EQ(after.passed, 1);
  EXPECT_EQ(after.other, 0);
}

TEST_F(RunTest, AnInterruptedStepIsKnownAfterARestart) {
  R run = admitted("aa01");
  EXPECT_EQ(run.next, Step::enrol);
  write([&](Transaction& db) { runs::intend(db, self(), run); });
  station.reopen();
  Standing now = standing("aa01");
  ASSERT_TRUE(now.open);
  R again = write([&](Transaction& db) { return runs::resume(db, self(), *now.open, "s2"); });
  EXPECT_TRUE(again.interrupted);
  EXPECT_EQ(again.slot, "s2");
  EXPECT_EQ(again.next, Step::enrol);
  again = station.step(again);
  EXPECT_FALSE(again.interrupted);
  again = write([&](Transaction& db) { return runs::resume(db, self(), again, "s2"); });
  EXPECT_FALSE(again.interrupted);
}

TEST_F(RunTest, AnOldCopyOfARunMovesNothing) {
  R old = admitted("aa01");
  R now = station.step(old);
  EXPECT_EQ(fault_of([&] { station.step(old); }), "run.moved");
  now = end(now, Ending::rework, "unit.wrong_model");
  EXPECT_EQ(fault_of([&] { station.step(now); }), "run.moved");
  EXPECT_EQ(fault_of([&] { end(now, Ending::passed, ""); }), "run.moved");
  EXPECT_EQ(fault_of([&] { mint(now, {password()}); }), "run.moved");
}

TEST_F(RunTest, OneOpenRunForAHardwareId) {
  station.begin(lot, "aa01");
  EXPECT_EQ(fault_of([&] { station.begin(lot, "aa01", "s2"); }), "hwid.two_slots");
  station.begin(lot, "aa02", "s2");
  auto open = station.read([](Reader& db) { return runs::open_runs(db); });
  EXPECT_EQ(open.size(), 2u);
  EXPECT_EQ(fault_of([&] { station.read([](Reader& db) { runs::get(db, "x"); }); }), "run.unknown");
}

TEST_F(RunTest, QuotaCountsHardwareIdsAndNotRuns) {
  std::string small = station.open_lot([&] {
    Json json = station.order_json(1, 1);
    json["product"]["number"] = 8;
    return station.order(json);
  }());
  R one = admit(station.begin(small, "bb01"));
  one = end(one, Ending::rework, "unit.old_firmware");
  R again = admit(station.begin(small, "bb01"));
  EXPECT_EQ(again.serial, one.serial);
  EXPECT_EQ(station.types().back(), "unit.return");
  EXPECT_EQ(admit(again).serial, one.serial);
  admit(station.begin(small, "bb02"));
  R third = station.begin(small, "bb03");
  EXPECT_EQ(fault_of([&] { admit(third); }), "lot.full");
  EXPECT_EQ(station.read([&](Reader& db) { return lots::get(db, small).admitted; }), 2);
}

TEST_F(RunTest, PoolsNeverGiveOneSerialTwice) {
  Json json = station.order_json(9, 0);
  json["product"]["number"] = 8;
  json["serials"] = Json::array({"SN-000002", "X9", {{"first", "Q09"}, {"last", "Q11"}}});
  json["macs"] = Json::array({{{"first", "02:00:00:00:00:FE"}, {"last", "02:00:00:00:01:04"}}});
  std::string second = station.open_lot(station.order(json));
  admitted("aa01");
  admitted("aa02");  // SN-000002, from the first lot
  std::vector<std::string> got;
  std::vector<std::string> macs;
  for (const char* hw : {"bb01", "bb02", "bb03", "bb04"}) {
    R run = admit(station.begin(second, hw));
    got.push_back(run.serial);
    macs.push_back(station.read([&](Reader& db) { return runs::mac(db, run).value_or(""); }));
  }
  EXPECT_EQ(got, (std::vector<std::string>{"X9", "Q09", "Q10", "Q11"}));
  EXPECT_EQ(macs, (std::vector<std::string>{"02:00:00:00:00:FE", "02:00:00:00:00:FF",
                                            "02:00:00:00:01:00", "02:00:00:00:01:01"}));
  R last = station.begin(second, "bb05");
  EXPECT_EQ(fault_of([&] { admit(last); }), "serials.exhausted");
  EXPECT_EQ(station.read([&](Reader& db) { return runs::get(db, last.id).serial; }), "");
}

TEST_F(RunTest, SerialsFromTheMes) {
  Json json = station.order_json(9, 0);
  json["product"]["number"] = 8;
  json["serials"] = "mes";
  std::string mes = station.open_lot(station.order(json));
  auto give = [&](const R& run, const std::string& serial) {
    return write([&](Transaction& db) { return runs::admit_with(db, run, serial); });
  };
  R run = station.begin(mes, "cc01"), other = station.begin(mes, "cc02");
  EXPECT_EQ(fault_of([&] { admit(run); }), "serials.from_mes");
  EXPECT_EQ(fault_of([&] { give(run, "a b"); }), "serials.malformed");
  EXPECT_EQ(give(run, "M-1").serial, "M-1");
  EXPECT_EQ(fault_of([&] { give(other, "M-1"); }), "serials.taken");
  R own = station.begin(lot, "cc03");
  EXPECT_EQ(fault_of([&] { give(own, "M-2"); }), "serials.from_order");
}

TEST_F(RunTest, OneKeyForAHardwareIdOneHardwareIdForAKey) {
  Bytes spki = random_bytes(91);
  R run = commit(admitted("aa01"), spki);
  EXPECT_EQ(run.spki, spki);
  EXPECT_EQ(commit(run, spki).spki, spki);  // its own again: a resume
  EXPECT_EQ(fault_of([&] { commit(run, random_bytes(91)); }), "hwid.second_key");
  R clone = admitted("aa02", "s2");
  EXPECT_EQ(fault_of([&] { commit(clone, spki); }), "hwid.clone");
  Bytes der = station.ca.issue(run.serial);
  EXPECT_FALSE(station.read([&](Reader& db) { return runs::certificate(db, run); }));
  write([&](Transaction& db) { runs::record_certificate(db, run, der); });
  write([&](Transaction& db) { runs::record_certificate(db, run, der); });
  EXPECT_EQ(station.read([&](Reader& db) { return runs::certificate(db, run); }), der);
  EXPECT_EQ(count("SELECT count(*) FROM certificate"), 1);
  Bytes second = station.ca.issue(run.serial);
  EXPECT_EQ(
      fault_of([&] { write([&](Transaction& db) { runs::record_certificate(db, run, second); }); }),
      "ledger.duplicate");
}

TEST_F(RunTest, ARunThatSomebodyEndedGivesNothingOut) {
  R run = commit(admitted("aa01"), random_bytes(91));
  Bytes der = station.ca.issue(run.serial);
  end(run, Ending::quarantine, "hwid.two_slots");
  auto refused = [&](auto give) { return fault_of([&] { write(give); }); };
  EXPECT_EQ(refused([&](Transaction& db) { runs::record_certificate(db, run, der); }), "run.moved");
  EXPECT_EQ(
      refused([&](Transaction& db) { runs::record_second_certificate(db, run, "network", der); }),
      "run.moved");
  EXPECT_EQ(
      refused([&](Transaction& db) { runs::begin_label(db, self(), run, "device", Digest{}); }),
      "run.moved");
  EXPECT_EQ(count("SELECT (SELECT count(*) FROM certificate) + (SELECT count(*) FROM "
                  "second_certificate) + (SELECT count(*) FROM label_attempt)"),
            0);
}

TEST_F(RunTest, ADuplicateSecretUndoesTheMint) {
  Credential secret = password();
  R one = mint(station.step(admitted("aa01")), {secret});
  R two = station.step(admitted("aa02", "s2"));
  Credential fresh = password();
  EXPECT_EQ(fault_of([&] { mint(two, {fresh, secret}); }), "rng.duplicate");
  EXPECT_EQ(count("SELECT count(*) FROM fingerprint"), 1);
  EXPECT_EQ(count("SELECT mints FROM unit WHERE hw = 'aa02'"), 0);
  secret.scope = 7;
  mint(two, {secret});  // another scope is another matter
  R three = station.step(admitted("aa03", "s3"));
  EXPECT_EQ(fault_of([&] { mint(three, {secret}); }), "mint.code_taken");
  Credential code = password();
  code.scope = 7;
  code.most = 1;  // which scope 7 has already
  EXPECT_EQ(fault_of([&] { mint(three, {code}); }), "mint.codes_spent");
  code.scope = 8;
  mint(three, {code});
  EXPECT_EQ(fault_of([&] {
              write([&](Transaction& db) {
                runs::burn_decoy(db, one, "password", 0,
                                 one.id.empty() ? Digest{} : secret.fingerprint);
              });
            }),
            "rng.duplicate");
}

TEST_F(RunTest, MintsAreBoundedAndBurntMeansBurnt) {
  R run = station.step(admitted("aa01"));
  Credential first = password(), second = password();
  run = mint(run, {first}, 2);
  run = write([&](Transaction& db) { return runs::offer(db, run); });
  EXPECT_TRUE(run.offered);
  Bytes nonce = run.nonce;
  run = mint(run, {second}, 2);
  EXPECT_FALSE(run.offered);
  EXPECT_NE(run.nonce, nonce);
  auto held = station.read([&](Reader& db) { return runs::credentials(db, run); });
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].fingerprint, second.fingerprint);
  EXPECT_EQ(held[0].sealed, second.sealed);
  EXPECT_EQ(fault_of([&] { mint(run, {password()}, 2); }), "unit.mints_spent");
  EXPECT_EQ(station.read([&](Reader& db) { return runs::credentials(db, run); }).size(), 1u);
  EXPECT_EQ(fault_of([&] { mint(run, {first}, 9); }), "rng.duplicate");  // burnt, and never again
  run = write([&](Transaction& db) { return runs::burn(db, alice(), run, "lost label"); });
  EXPECT_TRUE(station.read([&](Reader& db) { return runs::credentials(db, run); }).empty());
  EXPECT_EQ(count("SELECT count(*) FROM fingerprint"), 2);
  EXPECT_EQ(count("SELECT count(*) FROM burn"), 2);
  EXPECT_EQ(count("SELECT count(*) FROM run_seal"), 0);
  EXPECT_NE(station.intrude("INSERT INTO run_seal SELECT id, run, zeroblob(12), zeroblob(3) FROM "
                            "fingerprint"),
            "");
}

// A derived secret that was derived before the unit was last minted for would be the same again.
TEST_F(RunTest, ADerivedSecretIsOfThisMint) {
  auto run = station.begin(lot, "aa01");
  run = station.write([&](Transaction& db) { return runs::admit(db, run); });
  auto mint = [&](int at) {
    Credential credential = password();
    credential.derived_at = at;
    return fault_of([&] {
      station.write([&](Transaction& db) {
        runs::next_iv(db, run.lot);
        run = runs::mint(db, run, Bytes(16), {credential}, 9);
      });
    });
  };
  EXPECT_EQ(mint(1), "run.moved");
  EXPECT_EQ(mint(0), "");
  EXPECT_EQ(station.entries().back()["credentials"][0]["derivation"], "keyed");
  EXPECT_EQ(mint(0), "run.moved");
  EXPECT_EQ(mint(1), "");
  EXPECT_EQ(station.read([&](Reader& db) { return runs::mints(db, run); }), 2);
}

TEST_F(RunTest, TheIvCountsOverRestarts) {
  auto next = [&] { return write([&](Transaction& db) { return runs::next_iv(db, lot); }); };
  auto one = next(), two = next();
  station.reopen();
  auto three = next();
  EXPECT_EQ(hex(one), "000000000000000000000001");
  EXPECT_EQ(hex(two), "000000000000000000000002");
  EXPECT_EQ(hex(three), "000000000000000000000003");
}

TEST_F(RunTest, WrongTriesInARowStayBelowTheLimit) {
  R run = admitted("aa01");
  auto attempt = [&] {
    return fault_of(
        [&] { write([&](Transaction& db) { runs::count_tries(db, run, {"decoy"}, 4); }); });
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(attempt(), "");
  EXPECT_EQ(attempt(), "unit.tries_spent");
  station.reopen();
  EXPECT_EQ(attempt(), "unit.tries_spent");
  write([&](Transaction& db) { runs::count_success(db, run); });
  EXPECT_EQ(attempt(), "");
}

TEST_F(RunTest, EndingsBurnAndQuarantine) {
  R run = minted("aa01");
  run = end(run, Ending::quarantine, "prove.failed");
  EXPECT_EQ(count("SELECT count(*) FROM burn"), 1);
  EXPECT_EQ(count("SELECT count(*) FROM run_seal"), 0);
  EXPECT_TRUE(standing("aa01").quarantined);
  EXPECT_EQ(fault_of([&] { station.begin(lot, "aa01"); }), "unit.quarantined");
  R passed = station.pass(lot, "aa02");
  write([&](Transaction& db) {
    runs::quarantine_unit(db, self(), passed.hardware_id, "s1", "hwid.cannot_sign");
  });
  EXPECT_TRUE(standing("aa02").quarantined);
  EXPECT_EQ(count("SELECT count(*) FROM burn"), 2);
  Lot after = station.read([&](Reader& db) { return lots::get(db, lot); });
  EXPECT_EQ(after.passed, 0);
  EXPECT_EQ(after.other, 2);
  write([&](Transaction& db) {
    runs::quarantine_unit(db, self(), HardwareId("emmc-cid", "ee99"), "s1", "hwid.two_slots");
  });
  EXPECT_TRUE(standing("ee99").quarantined);
}

TEST_F(RunTest, ContactFaultsAreCountedThenRework) {
  R run = minted("aa01");
  auto fail = [&] {
    return write([&](Transaction& db) {
      return runs::fail_contact(db, self(), run, "contact.lost", {{"slot", "s1"}}, 3);
    });
  };
  EXPECT_EQ(fail().attempts, 1);
  EXPECT_FALSE(fail().ending);
  R last = fail();
  EXPECT_EQ(last.ending, Ending::rework);
  EXPECT_EQ(last.code, "attempts.exhausted");
  EXPECT_EQ(count("SELECT count(*) FROM burn"), 1);
}

TEST_F(RunTest, EvidenceFailedStaysNotProvenIsRemembered) {
  R run = admitted("aa01");
  Evidence failed;
  failed.result = StepResult::failed;
  EXPECT_EQ(station.step(run, failed).next, Step::enrol);
  Evidence unproven;
  unproven.result = StepResult::not_proven;
  unproven.reason = "first-use";
  EXPECT_EQ(station.step(run, unproven).next, Step::mint);
  EXPECT_EQ(station.read([&](Reader& db) {
    return db.value<std::string>("SELECT unproven FROM run WHERE id = ?", run.id);
  }),
            "enrol:first-use");
}

TEST_F(RunTest, GoingBackIsOnlyBack) {
  R run = minted("aa01");
  auto back = [&](Step to) {
    return write([&](Transaction& db) { return runs::go_back(db, self(), run, to, "why"); });
  };
  EXPECT_EQ(fault_of([&] { back(Step::lock); }), "run.moved");
  EXPECT_EQ(back(Step::enrol).next, Step::enrol);
}

TEST_F(RunTest, Labels) {
  R run = admitted("aa01");
  auto print = [&] {
    return write(
        [&](Transaction& db) { return runs::begin_label(db, self(), run, "device", Digest{}); });
  };
  auto apply = [&](const ControlSymbol& symbol) {
    return fault_of([&] {
      write([&](Transaction& db) { runs::apply_label(db, alice(), run, symbol, "slot"); });
    });
  };
  auto discard = [&](const ControlSymbol& symbol) {
    return fault_of([&] {
      write([&](Transaction& db) { runs::void_label(db, alice(), run, symbol, "spoiled"); });
    });
  };
  auto symbol = [&](int attempt) { return ControlSymbol(run.serial, "device", attempt); };
  EXPECT_EQ(print(), 1);
  EXPECT_EQ(print(), 2);
  EXPECT_EQ(apply(symbol(3)), "scan.unknown");
  EXPECT_EQ(apply(ControlSymbol("SN-000099", "device", 1)), "scan.unknown");
  EXPECT_EQ(apply(ControlSymbol(run.serial, "box", 1)), "scan.unknown");
  EXPECT_EQ(apply(symbol(1)), "scan.not_newest");
  EXPECT_EQ(discard(symbol(1)), "");
  EXPECT_EQ(discard(symbol(1)), "scan.void");
  EXPECT_EQ(apply(symbol(1)), "scan.void");
  EXPECT_EQ(apply(symbol(2)), "");
  EXPECT_EQ(apply(symbol(2)), "scan.already");
  auto states = station.read([&](Reader& db) { return runs::labels(db, run.serial); });
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].attempt, 2);
  EXPECT_EQ(states[0].state, "applied");
  EXPECT_EQ(discard(symbol(2)), "");
  EXPECT_EQ(apply(symbol(2)), "scan.void");
  EXPECT_EQ(print(), 3);
}

// Who waits for its label may be put into another slot: its passage learns it with its next step.
TEST_F(RunTest, WhereAUnitWasMetLastIsKept) {
  R run = station.begin(lot, "aa78");
  R met = write([&](Transaction& db) { return runs::resume(db, self(), run, "s2"); });
  EXPECT_EQ(met.slot, "s2");
  EXPECT_EQ(run.slot, "s1");
  EXPECT_EQ(station.step(run).slot, "s2");
  R other = station.begin(lot, "aa79");
  other = write([&](Transaction& db) { return runs::intend(db, self(), other); });
  write([&](Transaction& db) { return runs::resume(db, self(), other, "s3"); });
  other = write([&](Transaction& db) { return runs::step_on(db, self(), other, {}); });
  EXPECT_EQ(other.slot, "s3");
}

// Sent, and neither applied nor void: the provisioner asks the operator.
TEST_F(RunTest, ALabelSentBeforeACrashIsKnown) {
  R run = admitted("aa01");
  while (run.next != Step::label) run = station.step(run);
  run = write([&](Transaction& db) { return runs::intend(db, self(), run); });
  int attempt = write(
      [&](Transaction& db) { return runs::begin_label(db, self(), run, "device", Digest{}); });
  station.reopen();
  run = write([&](Transaction& db) {
    return runs::resume(db, self(), *runs::standing(db, run.hardware_id).open, "s2");
  });
  EXPECT_TRUE(run.interrupted);
  auto state = [&] {
    return station.read([&](Reader& db) { return runs::labels(db, run.serial).at(0).state; });
  };
  EXPECT_EQ(state(), "sent");
  ControlSymbol symbol(run.serial, "device", attempt);
  write([&](Transaction& db) { runs::void_label(db, alice(), run, symbol, "spoiled"); });
  EXPECT_EQ(state(), "void");
}

TEST_F(RunTest, SamplingAndItsHold) {
  auto sampling = [&](const R& run) {
    return station.read([&](Reader& db) { return runs::sampling(db, run); });
  };
  R first = station.begin(lot, "aa01");
  EXPECT_TRUE(sampling(first).first_of_lot);
  EXPECT_TRUE(sampling(first).first_of_firmware);
  end(first, Ending::rework, "unit.old_firmware");
  station.pass(lot, "aa02");
  for (const char* hw : {"aa03", "aa04"}) station.pass(lot, hw, StepResult::not_proven);
  R bad = admitted("aa05");
  runs::Sampling due = sampling(bad);
  EXPECT_FALSE(due.first_of_lot);
  EXPECT_FALSE(due.first_of_firmware);
  EXPECT_EQ(due.since_last_good, 2);
  int held = write([&](Transaction& db) { return runs::hold_since_last_good(db, self(), bad); });
  EXPECT_EQ(held, 2);
  EXPECT_TRUE(standing("aa03").quarantined);
  EXPECT_TRUE(standing("aa04").quarantined);
  EXPECT_FALSE(standing("aa02").quarantined);
  auto types = station.types();
  EXPECT_EQ(std::count(types.begin(), types.end(), "unit.hold"), 2);
  EXPECT_EQ(count("SELECT count(*) FROM burn"), 0);  // held, not burnt
}

TEST_F(RunTest, AHeldUnitDoesNotPass) {
  R run = admitted("aa01");
  while (run.next != Step::reset_check) run = station.step(run);
  Evidence unchecked;
  unchecked.result = StepResult::not_proven;
  run = station.step(run, unchecked);
  EXPECT_EQ(write([&](Transaction& db) { return runs::hold_since_last_good(db, self(), run); }), 1);
  EXPECT_EQ(fault_of([&] { end(run, Ending::passed, ""); }), "unit.quarantined");
}

TEST_F(RunTest, ThreeInARowPauseASlot) {
  auto note = [&](Ending ending, const std::string& code) {
    return write(
        [&](Transaction& db) { return runs::note_ending(db, self(), "s1", ending, code); });
  };
  EXPECT_EQ(note(Ending::rework, "a").streak, 1);
  EXPECT_EQ(note(Ending::rework, "a").streak, 2);
  EXPECT_EQ(note(Ending::rework, "b").streak, 1);
  EXPECT_EQ(note(Ending::passed, "").streak, 0);
  EXPECT_EQ(note(Ending::quarantine, "a").streak, 1);
  EXPECT_FALSE(note(Ending::quarantine, "a").paused);
  runs::SlotState paused = note(Ending::quarantine, "a");
  EXPECT_TRUE(paused.paused);
  EXPECT_EQ(paused.code, "a");
  EXPECT_TRUE(note(Ending::passed, "").paused);  // only a person resumes it
  write([&](Transaction& db) { runs::resume_slot(db, alice(), "s1"); });
  runs::SlotState now = station.read([](Reader& db) { return runs::slot_state(db, "s1"); });
  EXPECT_FALSE(now.paused);
  EXPECT_EQ(now.streak, 0);
  EXPECT_EQ(station.types().back(), "slot.resume");
  EXPECT_EQ(note(Ending::quarantine, "a").streak, 1);
}

TEST_F(RunTest, AVisitIsJournalledAndChangesNothing) {
  R run = station.pass(lot, "aa01");
  write([&](Transaction& db) {
    runs::note_visit(db, self(), "s2", run.hardware_id, "unit.already_passed", {{"a", "b"}});
  });
  Json entry = station.entries().back();
  EXPECT_EQ(entry["type"], "unit.visit");
  EXPECT_EQ(entry["serial"], run.serial);
  EXPECT_EQ(entry["args"]["a"], "b");
  EXPECT_FALSE(standing("aa01").quarantined);
}

}  // namespace mintmark::test
