// An export, as an auditor gets it from somebody he does not trust: one of its files is anything at
// all, or a sound one with bytes put in, taken out or changed; and the journal may be signed again,
// as the factory itself could do.
#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <sstream>

#include "station/export/export.hpp"
#include "station/export/verify.hpp"
#include "station/ledger/tree.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/ledger/station.hpp"

using namespace mintmark;

namespace {

constexpr std::array kFiles = {"journal.jsonl",      "checkpoint", "units.csv",
                               "ca-chain.pem",       "denied.crl", "handovers.json",
                               "certs/SN-000001.pem"};
constexpr std::size_t kJournal = 0, kCheckpoint = 1;
constexpr unsigned kEdits = 0x80, kSignedAgain = 0x40;  // of the byte that chooses

// Each edit: where (16 bits, big-endian), how many bytes go, how many come, and those.
std::string edited(std::string file, View edits) {
  while (edits.size() >= 4) {
    std::size_t at = static_cast<std::size_t>(edits[0] << 8 | edits[1]) % (file.size() + 1);
    std::size_t out = std::min<std::size_t>(edits[2], file.size() - at);
    std::size_t in = std::min<std::size_t>(edits[3], edits.size() - 4);
    file.replace(at, out, text(edits.subspan(4, in)));
    edits = edits.subspan(4 + in);
  }
  return file;
}

class Bundle {
 public:
  Bundle() {
    std::string lot = station_.open_lot(2, 0);
    station_.pass(lot, "aa01");
    station_.ledger->checkpoint_now(
        station_.signer(), [&](Reader& db, const Checkpoint& signed_head) {
          exports::write(db, station_.birth, signed_head,
                         station_.ca.denial_list({}, signed_head.size), out_);
        });
    for (const char* name : kFiles) sound_.push_back(read(name));
  }

  void verify_with(std::size_t which, View bytes) {
    write(which, text(bytes));
    // A changed file that is found to be in order would be the worst finding of all.
    bool same = text(bytes) == sound_[which];
    if (in_order() && !same && !may_differ(which)) std::abort();
    write(which, sound_[which]);
  }
  void verify_edited(std::size_t which, View edits, bool signed_again) {
    std::string bytes = edited(sound_[which], edits);
    write(which, bytes);
    if (signed_again && which == kJournal) sign_again(bytes);
    bool ok = in_order();
    if (ok && which == kJournal && !signed_again && bytes != sound_[which]) std::abort();
    write(which, sound_[which]);
    write(kCheckpoint, sound_[kCheckpoint]);
  }
  void verify_against(const std::string& checkpoint, const std::string& key) {
    exports::VerifyOptions options;
    options.earlier_checkpoint = checkpoint;
    exports::verify_export(out_, key_, options);
    exports::verify_export(out_, key);
  }

 private:
  std::string read(const std::string& name) const {
    std::ifstream in(std::filesystem::path(out_) / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(std::size_t which, std::string_view bytes) const {
    std::ofstream(std::filesystem::path(out_) / kFiles.at(which), std::ios::binary) << bytes;
  }
  bool in_order() const { return exports::verify_export(out_, key_).ok(); }
  void sign_again(const std::string& journal) const {
    Tree tree;
    std::istringstream lines(journal);
    for (std::string line; std::getline(lines, line);) tree.append(view(line));
    std::string said = checkpoint_text(station_.birth.station, tree.size(), tree.root());
    write(kCheckpoint,
          sign_note(station_.birth.station, station_.birth.journal_key, said, station_.signer()));
  }
  // Where other bytes can say the same: PEM has room between its lines, a note has room for more
  // signatures, and a list of handovers may be missing where there was none.
  static bool may_differ(std::size_t which) {
    return std::string_view(kFiles.at(which)).find("journal") == std::string_view::npos &&
           std::string_view(kFiles.at(which)).find("units") == std::string_view::npos;
  }

  fuzz::Directory directory_;
  test::Station station_;
  std::string out_ = (directory_.path() / "export").string();
  std::string key_ = verifier_key(station_.birth.station, station_.birth.journal_key);
  std::vector<std::string> sound_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Bundle bundle;
  fuzz::Input input(data, size);
  std::size_t which = (input.choice & ~(kEdits | kSignedAgain)) % (kFiles.size() + 1);
  if (which < kFiles.size() && (input.choice & kEdits) != 0)
    bundle.verify_edited(which, input.bytes, (input.choice & kSignedAgain) != 0);
  else if (which < kFiles.size())
    bundle.verify_with(which, input.bytes);
  else
    bundle.verify_against(input.string(), input.string());
  return 0;
}
