// What auditors take away: no secret is in any of it.
#include "station/credential/denial.hpp"
#include "station/credential/idevid.hpp"
#include "station/export/export.hpp"
#include "station/ledger/checkpoint.hpp"
#include "station/ledger/returns.hpp"
#include "station/ledger/signers.hpp"
#include "station/rest/handlers.hpp"
#include "station/rest/units.hpp"

namespace mintmark::handlers {

namespace {

constexpr std::uint64_t kEntries = 256;  // of the journal, in one piece
constexpr std::size_t kPiece = 64 << 10;

// The stored bytes, one entry a line, up to the size that the journal had (or was asked for) when
// the download began.
class JournalStream : public Stream {
 public:
  JournalStream(Ledger& ledger, std::uint64_t until) : ledger_(ledger), until_(until) {}
  Task<std::optional<std::string>> next() override {
    if (at_ >= until_) co_return std::nullopt;
    std::uint64_t end = std::min(at_ + kEntries, until_);
    auto look = [from = at_, end](Reader& db) {
      std::string piece;
      journal_entries(db, from, end, [&piece](std::uint64_t, View bytes) {
        piece.append(text(bytes)).push_back('\n');
        return true;
      });
      return piece;
    };
    std::string piece = co_await ledger_.read(look);
    at_ = end;
    co_return std::move(piece);
  }

 private:
  Ledger& ledger_;
  std::uint64_t at_ = 0, until_;
};

// What was made in one snapshot of the ledger, sent a piece at a time.
class PieceStream : public Stream {
 public:
  explicit PieceStream(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  Task<std::optional<std::string>> next() override {
    if (at_ == pieces_.size()) co_return std::nullopt;
    co_return std::move(pieces_[at_++]);
  }

 private:
  std::vector<std::string> pieces_;
  std::size_t at_ = 0;
};

std::uint64_t read_until(const Call& call, std::uint64_t size) {
  auto asked = call.asked("until");
  return asked ? read_number(*asked, "until", 0, size) : size;
}

// Who holds a checkpoint from before gets another only of a ledger that has it: an older copy signs
// nothing for him that his own would contradict.
Task<void> must_know_earlier(Desk& desk, const Call& call) {
  auto earlier = call.asked("earlier");
  if (!earlier) co_return;
  if (earlier->size() > kMaxNote || !read_checkpoint(*earlier))
    throw Fault("http.query", {{"name", "earlier"}});
  auto look = [&earlier](Reader& db) { return signers::knows(db, *earlier); };
  bool known = co_await desk.services.ledger->read(look);
  if (!known) throw Fault("order.checkpoint_unknown");
}

struct DenialFacts {
  DenialFacts() = default;
  std::vector<Bytes> kept;  // the lists, DER, where they were signed before
  std::vector<returns::Denied> denied;
  std::vector<Bytes> cas;
};

Response attachment(Response response, const std::string& name) {
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"" + name + "\"");
  return response;
}

std::vector<Bytes> sign_lists(Desk& desk, const DenialFacts& facts, std::uint64_t until) {
  std::vector<DeniedCertificate> list;
  for (const returns::Denied& one : facts.denied)
    list.emplace_back(one.certificate, one.reason, one.at);
  return make_denial_lists(*desk.services.vault, facts.cas, list, until);
}

}  // namespace

Task<Response> export_journal(Desk& desk, Call& call) {
  auto look = [](Reader& db) { return journal_size(db); };
  std::uint64_t size = co_await desk.services.ledger->read(look);
  Response response(200, "application/jsonl", "");
  response.stream = std::make_unique<JournalStream>(*desk.services.ledger, read_until(call, size));
  co_return attachment(std::move(response), "journal.jsonl");
}

Task<Response> export_checkpoint(Desk& desk, Call& call) {
  std::string nonce = call.asked("nonce").value_or("");
  bool is_nonce = nonce.size() >= 16 && nonce.size() <= 64 && from_hex(nonce);
  if (call.asked("nonce") && !is_nonce) throw Fault("http.query", {{"name", "nonce"}});
  co_await must_know_earlier(desk, call);
  std::string note = co_await desk.line.checkpoint(call.actor(), std::move(nonce));
  co_return Response(200, "text/plain; charset=utf-8", std::move(note));
}

Task<Response> export_vkey(Desk& desk, Call&) {
  auto look = [](Reader& db) { return signers::journal_keys(db).back(); };
  Bytes in_force = co_await desk.services.ledger->read(look);
  std::string key = verifier_key(desk.station, in_force);
  co_return Response(200, "text/plain; charset=utf-8", key + "\n");
}

Task<Response> export_handovers(Desk& desk, Call&) {
  auto look = [](Reader& db) { return signers::handovers(db); };
  std::vector<std::string> notes = co_await desk.services.ledger->read(look);
  Json body = notes;
  co_return json_response(body);
}

Task<Response> export_units(Desk& desk, Call&) {
  const Birth& birth = desk.services.ledger->birth();
  auto look = [&birth](Reader& db) {
    std::vector<std::string> pieces;
    exports::units(db, birth, [&pieces](std::string_view piece) {
      if (pieces.empty() || pieces.back().size() >= kPiece) pieces.emplace_back();
      pieces.back() += piece;
    });
    return pieces;
  };
  std::vector<std::string> pieces = co_await desk.services.ledger->read(look);
  Response response(200, "text/csv; charset=utf-8; header=present", "");
  response.stream = std::make_unique<PieceStream>(std::move(pieces));
  co_return attachment(std::move(response), "units.csv");
}

Task<Response> export_certs(Desk& desk, Call&) {
  auto look = [](Reader& db) { return units::certified(db); };
  std::vector<std::string> serials = co_await desk.services.ledger->read(look);
  Json body = {{"certs", serials}};
  co_return json_response(body);
}

Task<Response> export_cert(Desk& desk, Call& call) {
  auto look = [&](Reader& db) { return units::certificate(db, call.args.at(0)); };
  Bytes der = co_await desk.services.ledger->read(look);
  co_return Response(200, "application/pem-certificate-chain", pem(der));
}

Task<Response> export_chain(Desk& desk, Call&) {
  auto look = [](Reader& db) { return signers::ca_chain(db); };
  std::vector<Bytes> chain = co_await desk.services.ledger->read(look);
  std::string text;
  for (const Bytes& der : chain) text += pem(der);
  co_return Response(200, "application/pem-certificate-chain", std::move(text));
}

// What is kept for one size of the journal is signed once: a number is never on two different lists
// of one CA.
Task<Response> export_denied(Desk& desk, Call& call) {
  Ledger& ledger = *desk.services.ledger;
  auto measure = [](Reader& db) { return journal_size(db); };
  std::uint64_t until = read_until(call, co_await ledger.read(measure));
  if (until == 0) throw Fault("http.query", {{"name", "until"}});
  auto look = [until](Reader& db) {
    DenialFacts facts;
    facts.kept = returns::denial_lists(db, until);
    facts.denied = returns::denied(db, until);
    facts.cas = signers::ca_certificates(db);
    return facts;
  };
  DenialFacts facts = co_await ledger.read(look);
  if (facts.kept.empty() && !facts.cas.empty()) {
    auto sign = [&] { return sign_lists(desk, facts, until); };
    std::vector<Bytes> fresh = co_await on(*desk.services.token_pool, sign);
    auto keep = [&](Transaction& db) { return returns::keep_denial_lists(db, until, fresh); };
    facts.kept = co_await ledger.transact(keep);
  }
  std::string text;
  for (const Bytes& der : facts.kept) text += denial_list_pem(der);
  Response response(200, "application/x-pem-file", std::move(text));
  co_return attachment(std::move(response), "denied.crl");
}

}  // namespace mintmark::handlers
