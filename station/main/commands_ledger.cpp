// The ledger as a whole: copies of it, proof of it, and what is done when it was lost.
#include <iostream>

#include "station/ledger/backup.hpp"
#include "station/ledger/recovery.hpp"
#include "station/ledger/signers.hpp"
#include "station/line/lot_keys.hpp"
#include "station/main/commands.hpp"
#include "station/main/files.hpp"
#include "station/main/station.hpp"
#include "station/words/clock.hpp"
#include "station/words/crypto.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

namespace {

void print_audited(const Audited& found) {
  std::cout << "entries: " << found.entries << "\nrows: " << found.rows << "\n";
}

// A daemon that runs makes a checkpoint first, so that the copy ends with one.
void back_up_ledger(Context& context, const std::string& file) {
  Config config = context.read();
  Client client = context.client();
  if (client.answers()) client.text("/export/checkpoint");
  Audited found = back_up(config.ledger(), file);
  write_new(file + ".checkpoint", newest_note(file), 0600);
  print_audited(found);
  std::cout << "backup: " << file << "\nKeep it away from this machine. Put back, it is an older "
            << "ledger: mintmark ledger recover\n";
}

void verify_ledger(const Context& context, const std::string& file) {
  print_audited(audit_file(file.empty() ? context.read().ledger() : file));
  std::cout << "every row is as the journal has it\n";
}

struct RecoverWords {
  std::string first, second, reason, journal, seen, roster;
};

std::string officer_by(Reader& db, const std::string& token_file) {
  std::string token = read_text(token_file, 4096);
  token.erase(token.find_last_not_of(" \r\n") + 1);
  auto person = people::by_token(db, token);
  if (!person) throw Fault("recovery.person", {{"file", token_file}});
  return person->name;
}

// Heads that somebody kept and this ledger does not reach.
class Lost {
 public:
  Lost(Ledger& ledger, Recovery& out) : ledger_(&ledger), out_(&out) {}
  // False for what is no checkpoint of this station.
  bool add_note(const std::string& note) {
    auto opened = read_checkpoint(note);
    if (!opened || opened->origin != origin_of(ledger_->birth().station)) return false;
    if (add_head(Head(opened->size, opened->root)) && opened->size >= newest_) {
      newest_ = opened->size;
      out_->note = note;
    }
    return true;
  }
  bool add_head(const Head& head) {
    if (ledger_->contains(head)) return false;
    out_->lost.push_back(head);
    return true;
  }

 private:
  Ledger* ledger_;
  Recovery* out_;
  std::uint64_t newest_ = 0;
};

void gather(Vault& vault, Ledger& ledger, const std::string& path, const RecoverWords& words,
            Recovery& out) {
  Lost lost(ledger, out);
  std::vector<std::string> notes = anchors_in(vault);
  bool whole = ledger.anchor() != "token" || !notes.empty();
  for (const std::string& note : notes) whole = lost.add_note(note) && whole;
  try {
    auto head = HeadFile(path).read();
    if (head) lost.add_head(*head);
    whole = whole && head.has_value();
  } catch (const Fault&) {
    whole = false;  // unreadable: that is what is put right
  }
  // A checkpoint by hand counts if the station signed it.
  auto is_signed = [&](Reader& db) {
    return signers::opened(db, read_text(words.seen)).has_value();
  };
  if (!words.seen.empty()) {
    if (!ledger.read_now(is_signed))
      throw Fault("recovery.journal", {{"reason", words.seen + " is not signed by this station"}});
    lost.add_note(read_text(words.seen));
  }
  if (out.part) lost.add_note(out.part->note);
  if (whole && out.lost.empty()) throw Fault("ledger.not_rolled_back");
}

void apply_roster(Transaction& db, const Birth& birth, const std::string& file) {
  Roster roster =
      read_roster(view(read_text(file)), read_text(file + ".sig"), birth.owner_key, birth.station);
  people::apply_roster(db, Actor("station"), roster);
}

void recover_ledger(const Context& context, const RecoverWords& words) {
  lock_memory();
  Config config = context.read();
  Vault vault(config.token);
  Ledger ledger(config.ledger(), Ledger::Opening::restored);
  must_belong_together(vault, ledger.birth(), config);
  Recovery recovery;
  recovery.act = uuid_v7(vault.random(16));
  recovery.reason = words.reason;
  if (!words.journal.empty())
    recovery.part = ledger.transact_now(
        [&](Transaction& db) { return read_lost_part(db, db.tree(), words.journal); });
  gather(vault, ledger, config.ledger(), words, recovery);
  std::uint64_t size = ledger.read_now([](Reader& db) { return journal_size(db); });
  ledger.transact_now([&](Transaction& db) {
    if (!words.roster.empty()) apply_roster(db, ledger.birth(), words.roster);
    recovery.first = officer_by(db, words.first);
    recovery.second = officer_by(db, words.second);
    recover(db, recovery);
  });
  use_signers(vault, ledger);
  std::vector<Lot> unfinished = ledger.read_now([](Reader& db) { return lots::unfinished(db); });
  std::vector<std::string> stray = stray_keys(vault.lot_keys(), {}, unfinished);
  for (const std::string& key : stray) vault.destroy_lot_key(key);
  ledger.settle();
  anchor_from_here(vault, ledger);
  std::cout
      << "recovered: this ledger goes on from entry " << size
      << "\nlot keys destroyed: " << stray.size()
      << "\nEvery lot that was open is closed. Start mintmarkd, apply the newest roster, make a"
      << "\nbackup, and let the owner sign new orders, with serials of their own.\n";
}

void add_recover(CLI::App& ledger, Context& context) {
  auto words = std::make_shared<RecoverWords>();
  auto* command = ledger.add_subcommand(
      "recover",
      "two officers, the daemon stopped: go on from an older copy that was put back. Open runs end "
      "and are burnt, open lots are closed, their keys destroyed.");
  command->add_option("--officer", words->first, "file with the token of one officer")->required();
  command->add_option("--second-officer", words->second, "and of another")->required();
  command->add_option("--reason", words->reason, "what happened, for the journal")->required();
  command->add_option("--journal", words->journal,
                      "the newest export there is: what it shows as given out is never again");
  command->add_option("--seen", words->seen,
                      "a checkpoint that somebody holds, where nothing here shows that it is old");
  command->add_option("--roster", words->roster,
                      "the owner's newest roster (FILE and FILE.sig), applied first");
  command->callback([words, &context] { recover_ledger(context, *words); });
}

}  // namespace

void add_ledger_commands(CLI::App& app, Context& context) {
  auto* ledger = app.add_subcommand("ledger", "the ledger as a whole: backup, proof, recovery");
  ledger->require_subcommand(1);
  auto copy = std::make_shared<std::string>();
  auto* backup = ledger->add_subcommand(
      "backup", "copy it as it is at this moment, while the line runs; the copy is verified");
  backup->add_option("FILE", *copy, "a new file; FILE.checkpoint is made beside it")->required();
  backup->callback([copy, &context] { back_up_ledger(context, *copy); });
  auto file = std::make_shared<std::string>();
  auto* verify = ledger->add_subcommand(
      "verify", "hold every row against the journal, as each start of the daemon does");
  verify->add_option("FILE", *file, "a backup; else the station's own, while the line runs");
  verify->callback([file, &context] { verify_ledger(context, *file); });
  add_recover(*ledger, context);
}

}  // namespace mintmark
