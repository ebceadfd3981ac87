#include "station/export/verify.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "station/export/chain.hpp"
#include "station/export/facts.hpp"
#include "station/ledger/checkpoint.hpp"
#include "station/ledger/strict.hpp"
#include "station/ledger/tree.hpp"
#include "station/words/crypto.hpp"

namespace mintmark::exports {

namespace fs = std::filesystem;

std::vector<std::vector<std::string>> parse_csv(std::string_view text) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> row(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (quoted && c == '"' && next == '"') {
      row.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      row.emplace_back();
    } else if (!quoted && c == '\r' && next == '\n') {
      rows.push_back(std::exchange(row, std::vector<std::string>(1)));
      ++i;
    } else {
      row.back() += c;
    }
  }
  // A last line without its CRLF, or an open quote, is a file that was cut.
  if (quoted || row != std::vector<std::string>(1)) return {};
  return rows;
}

namespace {

class Verification {
 public:
  Verification(fs::path directory, const VerifyOptions& options)
      : directory_(std::move(directory)),
        options_(&options),
        facts_(report_.findings),
        symbols_(report_.findings) {}

  VerifyReport run(const std::string& vkey) {
    key_ = parse_verifier_key(vkey);
    if (!key_) {
      find("the verifier key given is not a C2SP vkey of a type that is known here");
      return std::move(report_);
    }
    collect_keys(trimmed(vkey));
    open_notes();
    read_journal();
    compare_heads();
    check_handovers();
    facts_.finish();
    report_.symbols = symbols_.finish();
    check_birth();
    check_units();
    check_certificates();
    check_denial_lists();
    report_.fingerprints = facts_.fingerprints();
    report_.demo = facts_.demo;
    report_.anchor = facts_.anchor;
    report_.recoveries = facts_.recoveries;
    return std::move(report_);
  }

 private:
  void find(const std::string& what) { report_.findings.push_back(what); }

  std::optional<std::string> slurp(const std::string& name) {
    std::ifstream in(directory_ / name, std::ios::binary);
    if (!in) {
      find(name + ": the file is missing or cannot be read");
      return std::nullopt;
    }
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  static std::string trimmed(std::string vkey) {
    while (vkey.ends_with('\n')) vkey.pop_back();
    return vkey;
  }

  // The keys that the journal names for itself, in order: that of its birth, then one for each time
  // that it was rotated. None of them is trusted for being named.
  void collect_keys(const std::string& given) {
    std::ifstream in(directory_ / "journal.jsonl", std::ios::binary);
    std::string line;
    for (std::uint64_t seq = 0; std::getline(in, line); ++seq) {
      if (seq > 0 && line.find("\"signer.new\"") == line.npos) continue;
      std::optional<Json> entry = read_entry(line);
      if (!entry) continue;
      bool rotation =
          entry->value("type", Json()) == "signer.new" && entry->value("role", Json()) == "journal";
      Json vkey = seq == 0   ? entry->value("journal_key", Json())
                  : rotation ? entry->value("public", Json())
                             : Json();
      auto key = vkey.is_string() ? parse_verifier_key(vkey.get<std::string>()) : std::nullopt;
      if (!key) continue;
      if (vkey == given) trusted_ = keys_.size();
      keys_.push_back({*key, seq});
    }
    if (trusted_) return;
    keys_ = {{*key_, 0}};
    foreign_ = true;
    trusted_ = 0;
  }

  // By any of the keys from `first` on; which one it was.
  std::optional<OpenedCheckpoint> open_with(const std::string& note, std::size_t first,
                                            std::size_t& which) {
    for (which = first; which < keys_.size(); ++which)
      if (auto opened = open_checkpoint(note, keys_[which].key)) return opened;
    return std::nullopt;
  }

  // Checkpoints that an old key signed over the entry which names the next one.
  void read_handovers() {
    if (keys_.size() < 2 || !fs::exists(directory_ / "handovers.json")) return;
    std::string text = slurp("handovers.json").value_or("");
    Json notes = shallow(text, 1) ? Json::parse(text, nullptr, false) : Json();
    for (std::size_t i = 0; i + 1 < keys_.size() && notes.is_array() && i < notes.size(); ++i) {
      std::string note = notes[i].is_string() ? notes[i].get<std::string>() : "";
      auto opened = open_checkpoint(note, keys_[i].key);
      if (opened && opened->origin == key_->name && opened->size > keys_[i + 1].seq)
        keys_[i].handover = opened;
    }
  }

  // Who trusts the key given comes to trust the one that signed the checkpoint, step by step.
  void check_handovers() {
    for (std::size_t i = *trusted_; head_ && i < signed_by_; ++i)
      if (!keys_[i].handed_over)
        find("handovers.json: the journal key named in entry " + std::to_string(keys_[i + 1].seq) +
             " was not handed over by the one before it");
  }

  std::optional<OpenedCheckpoint> open_note(const std::string& what, const std::string& note,
                                            std::size_t first, std::size_t& which) {
    auto opened = open_with(note, first, which);
    if (!opened) {
      find(what + ": the signature is not by the verifier key, or it is no checkpoint");
    } else if (opened->origin != key_->name) {
      find(what + ": it is of the log " + opened->origin + ", the key is of " + key_->name);
      opened.reset();
    }
    return opened;
  }

  void open_notes() {
    read_handovers();
    std::size_t any = 0;
    if (auto note = slurp("checkpoint"))
      head_ = open_note("checkpoint", *note, *trusted_, signed_by_);
    if (head_) report_.checkpoint_size = head_->size;
    if (options_->earlier_checkpoint)
      earlier_ = open_note("earlier checkpoint", *options_->earlier_checkpoint, 0, any);
  }

  void compare_at(const std::optional<OpenedCheckpoint>& head, const std::string& what,
                  const std::string& otherwise) {
    if (head && head->size == tree_.size() && head->root != tree_.root())
      find(what + ": the first " + std::to_string(head->size) + " entries " + otherwise);
  }

  void read_journal() {
    std::ifstream in(directory_ / "journal.jsonl", std::ios::binary);
    if (!in) return find("journal.jsonl: the file is missing or cannot be read");
    std::string line;
    while (std::getline(in, line)) {
      if (in.eof()) find("journal.jsonl: the last line has no end");
      take_entry(line);
      compare_at(earlier_, "earlier checkpoint",
                 "are not those that it signed: the log was forked");
      compare_at(head_, "checkpoint", "are not those that were signed: some were changed");
      for (NamedKey& key : keys_)
        if (key.handover && key.handover->size == tree_.size())
          key.handed_over = key.handover->root == tree_.root();
    }
    report_.entries = tree_.size();
  }

  void take_entry(const std::string& line) {
    std::uint64_t seq = tree_.size();
    std::string at = "entry " + std::to_string(seq) + " (line " + std::to_string(seq + 1) + "): ";
    tree_.append(view(line));
    std::optional<Json> entry = read_entry(line);
    if (!entry) return find(at + "not a journal entry");
    Json number = entry->value("seq", Json()), station = entry->value("station", Json());
    if (number != Json(seq)) find(at + "its number is " + number.dump());
    if (!station.is_string() || origin_of(station.get<std::string>()) != key_->name)
      find(at + "it is of another station: " +
           station.dump(-1, ' ', true, Json::error_handler_t::replace));
    facts_.take(seq, *entry);
    symbols_.take(seq, *entry);
  }

  void compare_heads() {
    std::uint64_t size = tree_.size();
    if (head_ && head_->size > size)
      find("journal.jsonl: " + std::to_string(head_->size) + " entries were signed, " +
           std::to_string(size) + " are here: some were removed");
    if (head_ && head_->size < size)
      find("journal.jsonl: entries from " + std::to_string(head_->size) +
           " on are not covered by the checkpoint");
    if (earlier_ && earlier_->size > size)
      find("earlier checkpoint: it signed " + std::to_string(earlier_->size) + " entries, only " +
           std::to_string(size) + " are here: the log was rolled back");
    if (options_->nonce && !facts_.nonces.contains(*options_->nonce))
      find("the nonce '" + *options_->nonce + "' is in no entry: the end may have been cut off");
  }

  void check_birth() {
    if (foreign_) find("entry 0: the ledger was born with another journal key");
    auto chain = slurp("ca-chain.pem");
    if (!chain) return;
    chain_ = read_pem(*chain);
    check_chain();
  }

  // Nothing in it but what the journal knows, all of that, and the one in force first.
  void check_chain() {
    std::set<std::string> found;
    for (const Bytes& der : chain_) found.insert(hex(sha256(der)));
    for (const std::string& digest : facts_.ca_sha256)
      if (!found.contains(digest))
        find("ca-chain.pem: the CA certificate " + digest + " is missing");
    for (const std::string& digest : found)
      if (!facts_.knows_ca(digest))
        find("ca-chain.pem: the journal does not know the CA certificate " + digest);
    if (chain_.empty() || facts_.ca_sha256.empty()) return;
    if (hex(sha256(chain_.front())) != facts_.ca_sha256.back())
      find("ca-chain.pem: the first is not the CA certificate in force");
  }

  void check_units() {
    auto text = slurp("units.csv");
    if (!text) return;
    auto rows = parse_csv(*text);
    if (rows.empty()) return find("units.csv: not a CSV file as RFC 4180 has it");
    std::map<std::string, std::size_t> column;
    for (std::size_t i = 0; i < rows.front().size(); ++i) column[rows.front()[i]] = i;
    for (const char* name : {"serial", "hw_source", "hw_id", "ending"})
      if (!column.contains(name)) return find(std::string("units.csv: no column ") + name);
    for (std::size_t i = 1; i < rows.size(); ++i)
      if (rows[i].size() == rows.front().size())
        check_unit(i + 1, rows[i], column);
      else
        find("units.csv row " + std::to_string(i + 1) + ": another number of cells");
    report_.units = rows.size() - 1;
    for (const auto& [serial, unit] : facts_.units)
      if (!listed_.contains(serial))
        find("units.csv: " + serial + ", admitted in entry " + std::to_string(unit.seq) +
             ", is not listed");
  }

  void check_unit(std::size_t number, const std::vector<std::string>& row,
                  std::map<std::string, std::size_t>& column) {
    const std::string& serial = row[column["serial"]];
    const std::string& ending = row[column["ending"]];
    std::string at = "units.csv row " + std::to_string(number) + ": ";
    if (!listed_.insert(serial).second) find(at + serial + " is listed twice");
    if (ending == "passed") ++report_.passed;
    auto known = facts_.units.find(serial);
    if (known == facts_.units.end()) return find(at + serial + " was never admitted");
    if (row[column["hw_source"]] + ":" + row[column["hw_id"]] != known->second.hardware_id)
      find(at + serial + " belongs to " + known->second.hardware_id);
    auto says = column.find("derivation");
    check_derivation(at + serial, known->second.derivation,
                     says != column.end() ? &row[says->second] : nullptr);
    if (ending != known->second.ending)
      find(at + serial + " is said to be " + ending + ", the journal says " + known->second.ending);
  }

  // Exports of older stations have no such column: all was drawn.
  void check_derivation(const std::string& unit, const std::string& known,
                        const std::string* said) {
    if (known == "keyed") ++report_.keyed;
    if (said != nullptr ? *said != known : known == "keyed")
      find(unit + ": its derivation is said to be \"" + (said != nullptr ? *said : "") +
           "\", the journal says \"" + known + "\"");
  }

  void check_certificates() {
    std::error_code error;
    std::set<std::string> found;
    for (const fs::directory_entry& file : fs::directory_iterator(directory_ / "certs", error))
      check_certificate(file.path(), found);
    if (error && !facts_.certificates.empty()) find("certs: the directory cannot be read");
    report_.certificates = found.size();
    for (const auto& [digest, serial] : facts_.certificates)
      if (!found.contains(serial)) find("certs: the certificate of " + serial + " is missing");
  }

  // The lists are those of the checkpoint, one for each CA: together what the journal denies, for
  // its reason, and nothing else.
  void check_denial_lists() {
    if (facts_.denied.empty() && !fs::exists(directory_ / "denied.crl")) return;
    auto text = slurp("denied.crl");
    if (!text) return;
    std::vector<DenialList> lists = read_denial_lists(*text);
    if (lists.empty() && !text->empty())
      return find("denied.crl: not a certificate revocation list");
    std::vector<Bytes> cas;
    for (const Bytes& der : chain_)
      if (facts_.issues(hex(sha256(der)))) cas.push_back(der);
    for (const DenialList& list : lists) check_denial_list(list, cas);
    for (const Bytes& ca : cas)
      if (std::none_of(lists.begin(), lists.end(),
                       [&](const DenialList& list) { return is_list_of(list, ca); }))
        find("denied.crl: no list of the CA certificate " + hex(sha256(ca)));
    check_denied(lists);
    check_denied_here(lists, cas);
  }

  void check_denial_list(const DenialList& list, const std::vector<Bytes>& cas) {
    if (std::none_of(cas.begin(), cas.end(), [&](const Bytes& ca) { return is_list_of(list, ca); }))
      find("denied.crl: not signed by the CA of ca-chain.pem");
    if (list.number != std::to_string(report_.checkpoint_size))
      find("denied.crl: its number is " + list.number + ", the checkpoint's size is " +
           std::to_string(report_.checkpoint_size));
    for (const auto& [number, reason] : list.numbers)
      if (!facts_.denied.contains(number))
        find("denied.crl: the journal does not deny the certificate " + number);
  }

  void check_denied(const std::vector<DenialList>& lists) {
    std::map<std::string, std::string> listed;
    for (const DenialList& list : lists) listed.insert(list.numbers.begin(), list.numbers.end());
    for (const auto& [number, reason] : facts_.denied) {
      auto found = listed.find(number);
      if (found == listed.end())
        find("denied.crl: the certificate " + number +
             " is denied in the journal, not in the list");
      else if (found->second != reason)
        find(std::string("denied.crl: the certificate ")
                 .append(number)
                 .append(" is denied for ")
                 .append(found->second)
                 .append(", the journal says ")
                 .append(reason));
    }
  }

  // Others look only into the list of the CA that issued what they hold.
  void check_denied_here(const std::vector<DenialList>& lists, const std::vector<Bytes>& cas) {
    for (const auto& [name, der] : denied_here_)
      for (const Bytes& ca : cas)
        for (const DenialList& list : lists)
          if (is_issued_by(der, ca) && is_list_of(list, ca) &&
              !list.numbers.contains(certificate_number(der)))
            find("denied.crl: " + name + " is not in the list of the CA that issued it");
  }

  void check_certificate(const fs::path& path, std::set<std::string>& found) {
    std::string name = "certs/" + path.filename().string(), serial = path.stem().string();
    found.insert(serial);
    auto text = slurp(name);
    auto blocks = text ? read_pem(*text) : std::vector<Bytes>{};
    if (blocks.size() != 1) return find(name + ": not one certificate");
    auto issued = facts_.certificates.find(hex(sha256(blocks.front())));
    if (issued == facts_.certificates.end())
      find(name + ": the journal does not know this certificate");
    else if (issued->second != serial)
      find(name + ": the journal has it for " + issued->second);
    if (subject_serial(blocks.front()) != serial) find(name + ": made out to another serial");
    if (auto reason = chain_fault(blocks.front(), chain_)) find(name + ": " + *reason);
    if (facts_.denied.contains(certificate_number(blocks.front())))
      denied_here_.emplace_back(name, blocks.front());
  }

  fs::path directory_;
  const VerifyOptions* options_;
  VerifyReport report_;
  Facts facts_;
  Symbols symbols_;
  struct NamedKey {
    VerifierKey key;
    std::uint64_t seq = 0;                                    // of the entry that names it
    std::optional<OpenedCheckpoint> handover = std::nullopt;  // to the next one
    bool handed_over = false;
  };
  std::vector<NamedKey> keys_;
  std::optional<std::size_t> trusted_;  // the one given
  std::size_t signed_by_ = 0;           // the one that signed the checkpoint
  bool foreign_ = false;                // the journal does not name the one given
  std::optional<VerifierKey> key_;
  std::optional<OpenedCheckpoint> head_, earlier_;
  Tree tree_;
  std::vector<Bytes> chain_;
  std::set<std::string> listed_;
  std::vector<std::pair<std::string, Bytes>> denied_here_;  // file and DER
};

}  // namespace

VerifyReport verify_export(const std::string& directory, const std::string& vkey,
                           const VerifyOptions& options) {
  return Verification(directory, options).run(vkey);
}

}  // namespace mintmark::exports
