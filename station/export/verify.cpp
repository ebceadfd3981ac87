#include "station/export/verify.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "station/export/chain.hpp"
#include "station/export/facts.hpp"
#include "station/ledger/checkpoint.hpp"
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
    open_notes();
    read_journal();
    compare_heads();
    facts_.finish();
    report_.symbols = symbols_.finish();
    check_birth(vkey);
    check_units();
    check_certificates();
    check_denial_list();
    report_.fingerprints = facts_.fingerprints();
    report_.demo = facts_.demo;
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

  std::optional<OpenedCheckpoint> open_note(const std::string& what, const std::string& note) {
    auto opened = open_checkpoint(note, *key_);
    if (!opened) {
      find(what + ": the signature is not by the verifier key, or it is no checkpoint");
    } else if (opened->origin != key_->name) {
      find(what + ": it is of the log " + opened->origin + ", the key is of " + key_->name);
      opened.reset();
    }
    return opened;
  }

  void open_notes() {
    if (auto note = slurp("checkpoint")) head_ = open_note("checkpoint", *note);
    if (head_) report_.checkpoint_size = head_->size;
    if (!options_->earlier_checkpoint.empty())
      earlier_ = open_note("earlier checkpoint", options_->earlier_checkpoint);
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
      read_entry(line);
      compare_at(earlier_, "earlier checkpoint",
                 "are not those that it signed: the log was forked");
      compare_at(head_, "checkpoint", "are not those that were signed: some were changed");
    }
    report_.entries = tree_.size();
  }

  void read_entry(const std::string& line) {
    std::uint64_t seq = tree_.size();
    std::string at = "entry " + std::to_string(seq) + " (line " + std::to_string(seq + 1) + "): ";
    tree_.append(view(line));
    Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_object() || line.size() > 65535) return find(at + "not a journal entry");
    Json number = entry.value("seq", Json()), station = entry.value("station", Json());
    if (number != Json(seq)) find(at + "its number is " + number.dump());
    if (!station.is_string() || origin_of(station.get<std::string>()) != key_->name)
      find(at + "it is of another station: " +
           station.dump(-1, ' ', true, Json::error_handler_t::replace));
    facts_.take(seq, entry);
    symbols_.take(seq, entry);
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
    if (!options_->nonce.empty() && !facts_.nonces.contains(options_->nonce))
      find("the nonce " + options_->nonce + " is in no entry: the end may have been cut off");
  }

  void check_birth(std::string vkey) {
    while (vkey.ends_with('\n')) vkey.pop_back();
    if (facts_.journal_key != vkey) find("entry 0: the ledger was born with another journal key");
    auto chain = slurp("ca-chain.pem");
    if (!chain) return;
    chain_ = read_pem(*chain);
    if (chain_.empty()) return find("ca-chain.pem: no certificate in it");
    if (hex(sha256(chain_.front())) != facts_.ca_sha256)
      find("ca-chain.pem: not the CA that the ledger was born with");
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
    if (ending != known->second.ending)
      find(at + serial + " is said to be " + ending + ", the journal says " + known->second.ending);
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

  // The list is that of the checkpoint: what the journal denies, for its reason, and nothing else.
  void check_denial_list() {
    if (facts_.denied.empty() && !fs::exists(directory_ / "denied.crl")) return;
    auto text = slurp("denied.crl");
    if (!text) return;
    auto list = read_denial_list(*text, chain_);
    if (!list) return find("denied.crl: not a certificate revocation list");
    if (!list->signed_by_ca) find("denied.crl: not signed by the CA of ca-chain.pem");
    if (list->number != std::to_string(report_.checkpoint_size))
      find("denied.crl: its number is " + list->number + ", the checkpoint's size is " +
           std::to_string(report_.checkpoint_size));
    for (const auto& [number, reason] : facts_.denied) {
      auto listed = list->numbers.find(number);
      if (listed == list->numbers.end())
        find("denied.crl: the certificate " + number +
             " is denied in the journal, not in the list");
      else if (listed->second != reason)
        find(std::string("denied.crl: the certificate ")
                 .append(number)
                 .append(" is denied for ")
                 .append(listed->second)
                 .append(", the journal says ")
                 .append(reason));
    }
    for (const auto& [number, reason] : list->numbers)
      if (!facts_.denied.contains(number))
        find("denied.crl: the journal does not deny the certificate " + number);
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
  }

  fs::path directory_;
  const VerifyOptions* options_;
  VerifyReport report_;
  Facts facts_;
  Symbols symbols_;
  std::optional<VerifierKey> key_;
  std::optional<OpenedCheckpoint> head_, earlier_;
  Tree tree_;
  std::vector<Bytes> chain_;
  std::set<std::string> listed_;
};

}  // namespace

VerifyReport verify_export(const std::string& directory, const std::string& vkey,
                           const VerifyOptions& options) {
  return Verification(directory, options).run(vkey);
}

}  // namespace mintmark::exports
