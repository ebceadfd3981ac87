// An export, as an auditor gets it from somebody he does not trust: one of its files is anything at
// all.
#include <array>
#include <fstream>
#include <iterator>

#include "station/export/export.hpp"
#include "station/export/verify.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/ledger/station.hpp"

using namespace mintmark;

namespace {

constexpr std::array kFiles = {"journal.jsonl",      "checkpoint", "units.csv",
                               "ca-chain.pem",       "denied.crl", "handovers.json",
                               "certs/SN-000001.pem"};

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
    write(kFiles.at(which), bytes);
    exports::VerifyReport report = exports::verify_export(out_, key_);
    // A changed file that is found to be in order would be the worst finding of all.
    bool same = equal(bytes, view(sound_[which]));
    if (report.ok() && !same && !may_differ(which, bytes)) std::abort();
    write(kFiles.at(which), view(sound_[which]));
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
  void write(const std::string& name, View bytes) const {
    std::ofstream(std::filesystem::path(out_) / name, std::ios::binary) << text(bytes);
  }
  // Where other bytes can say the same: PEM has room between its lines, a note has room for more
  // signatures, and a list of handovers may be missing where there was none.
  static bool may_differ(std::size_t which, View /*bytes*/) {
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
  std::size_t which = input.choice % (kFiles.size() + 1);
  if (which < kFiles.size())
    bundle.verify_with(which, input.bytes);
  else
    bundle.verify_against(input.string(), input.string());
  return 0;
}
