#include "station/export/export.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "station/ledger/signers.hpp"
#include "station/words/fault.hpp"

namespace mintmark::exports {

void journal(Reader& db, std::uint64_t size, const Chunk& chunk) {
  std::string line;
  journal_entries(db, 0, size, [&](std::uint64_t, View bytes) {
    line.assign(text(bytes));
    line += '\n';
    chunk(line);
    return true;
  });
}

std::string csv_cell(std::string_view text) {
  static constexpr std::string_view kFormula("=+-@\t\r\0", 7);
  std::string cell(text);
  if (!cell.empty() && kFormula.find(cell.front()) != kFormula.npos) cell.insert(0, 1, '\'');
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string out = "\"";
  for (char c : cell) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

static void csv_row(const std::vector<std::string>& cells, const Chunk& chunk) {
  std::string line;
  for (const std::string& cell : cells) line += (line.empty() ? "" : ",") + csv_cell(cell);
  chunk(line + "\r\n");
}

static const std::vector<std::string> kColumns = {"serial",
                                                  "mac",
                                                  "hw_source",
                                                  "hw_id",
                                                  "product",
                                                  "product_number",
                                                  "lot",
                                                  "order",
                                                  "firmware",
                                                  "ending",
                                                  "code",
                                                  "reset_check",
                                                  "unproven",
                                                  "certificate_sha256",
                                                  "password_fingerprint",
                                                  "credential_fingerprints",
                                                  "first_seen",
                                                  "ended_at",
                                                  "label_attempts",
                                                  "station",
                                                  "order_kind",
                                                  "officer_mode",
                                                  "token",
                                                  "derivation"};

// Columns of the query below are those of the file up to label_attempts.
static constexpr std::string_view kUnits =
    "SELECT a.serial, coalesce(a.mac, ''), u.source, u.hw, l.product_name, l.product_number, l.id, "
    "l.order_id, coalesce(r.firmware, ''), "
    "CASE WHEN EXISTS (SELECT 1 FROM retired d WHERE d.unit = u.id) THEN 'retired' "
    "WHEN u.quarantined THEN 'quarantine' WHEN EXISTS (SELECT 1 FROM release e WHERE "
    "e.unit = u.id AND e.last_run >= coalesce(r.rowid, 0)) THEN 'released' "
    "ELSE coalesce(r.ending, 'open') END, "
    "CASE WHEN u.quarantined THEN u.quarantine_code ELSE coalesce(r.code, '') END, "
    "coalesce(r.reset_check, ''), coalesce(r.unproven, ''), "
    "coalesce((SELECT lower(hex(c.sha256)) FROM certificate c WHERE c.serial = a.serial "
    "ORDER BY c.rowid DESC LIMIT 1), ''), "
    "coalesce((SELECT lower(hex(f.value)) FROM fingerprint f WHERE f.run = r.id AND "
    "f.class = 'password' AND NOT EXISTS (SELECT 1 FROM burn b WHERE b.fingerprint = f.id) "
    "ORDER BY f.id DESC LIMIT 1), ''), "
    "coalesce((SELECT group_concat(f.class || ':' || f.scope || ':' || lower(hex(f.value)), ' ') "
    "FROM fingerprint f WHERE f.run = r.id AND f.class <> 'identity-key' AND NOT EXISTS "
    "(SELECT 1 FROM burn b WHERE b.fingerprint = f.id)), ''), "
    "u.first_seen, coalesce(r.ended_at, ''), "
    "(SELECT count(*) FROM label_attempt t WHERE t.serial = a.serial), o.kind, "
    // Of the newest mint, as its entry says.
    "coalesce((SELECT CASE WHEN EXISTS (SELECT 1 FROM json_each(CAST(j.bytes AS TEXT), "
    "'$.credentials') c WHERE json_extract(c.value, '$.derivation') = 'keyed') THEN 'keyed' ELSE "
    "'random' END FROM journal j JOIN run m ON m.id = j.run WHERE m.serial = a.serial AND "
    "j.type = 'credential.mint' ORDER BY j.seq DESC LIMIT 1), '') "
    "FROM admission a JOIN unit u ON u.id = a.unit JOIN lot l ON l.id = a.lot "
    "JOIN orders o ON o.id = l.order_id LEFT JOIN run r ON r.id = (SELECT n.id FROM run n "
    "WHERE n.serial = a.serial ORDER BY n.begun_at DESC, n.id DESC LIMIT 1) ORDER BY a.id";
static constexpr int kQueried = 19;  // then come the order's kind and the derivation

static std::string officer_mode(Reader& db) {
  auto solo = db.value<bool>("SELECT solo FROM roster ORDER BY id DESC LIMIT 1");
  if (!solo) return "none";
  return *solo ? "solo" : "two-person";
}

void units(Reader& db, const Birth& birth, const Chunk& chunk) {
  csv_row(kColumns, chunk);
  std::string mode = officer_mode(db);
  auto row = db.query(kUnits);
  while (row.step()) {
    std::vector<std::string> cells;
    cells.reserve(kColumns.size());
    for (int i = 0; i < kQueried; ++i) cells.push_back(row.get<std::string>(i));
    cells.push_back(birth.station);
    cells.push_back(row.get<std::string>(kQueried));
    cells.push_back(mode);
    cells.push_back(birth.token);
    cells.push_back(row.get<std::string>(kQueried + 1));
    csv_row(cells, chunk);
  }
}

std::string pem(View der) {
  std::string body = base64(der), out = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t i = 0; i < body.size(); i += 64) out += body.substr(i, 64) + "\n";
  return out + "-----END CERTIFICATE-----\n";
}

void certificates(Reader& db, const Certificate& each) {
  auto row = db.query(
      "SELECT serial, der FROM certificate c WHERE rowid = (SELECT max(rowid) FROM certificate n "
      "WHERE n.serial = c.serial) ORDER BY serial");
  while (row.step()) each(row.get<std::string>(0), pem(row.get<Bytes>(1)));
}

void bundle(Reader& db, const Birth& birth, const Checkpoint& checkpoint,
            const std::string& denial_list, const File& file) {
  auto into = [&file](const char* path) {
    return [&file, path](std::string_view chunk) { file(path, chunk); };
  };
  journal(db, checkpoint.size, into("journal.jsonl"));
  file("checkpoint", checkpoint.note);
  file("checkpoint.vkey", verifier_key(birth.station, signers::journal_keys(db).back()) + "\n");
  if (auto handed = signers::handovers(db); !handed.empty())
    file("handovers.json", Json(handed).dump(1) + "\n");
  units(db, birth, into("units.csv"));
  certificates(db, [&file](const std::string& serial, const std::string& text) {
    file("certs/" + serial + ".pem", text);
  });
  std::string chain;
  for (const Bytes& der : signers::ca_chain(db)) chain += pem(der);
  file("ca-chain.pem", chain);
  file("denied.crl", denial_list);
}

namespace {

// One file at a time, complete under its name or not there.
class Writer {
 public:
  explicit Writer(std::filesystem::path directory) : directory_(std::move(directory)) {}
  void chunk(const std::string& path, std::string_view bytes) {
    if (path != path_) open(path);
    out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out_) fail();
  }
  void finish() {
    if (path_.empty()) return;
    out_.close();
    if (!out_) fail();
    std::error_code error;
    std::filesystem::rename(part(), directory_ / path_, error);
    if (error) throw Fault("export.failed", {{"path", path_}, {"reason", error.message()}});
    path_.clear();
  }

 private:
  std::filesystem::path part() const { return directory_ / (path_ + ".part"); }
  void open(const std::string& path) {
    finish();
    path_ = path;
    errno = 0;
    out_ = std::ofstream(part(), std::ios::binary | std::ios::trunc);
    if (!out_) fail();
  }
  [[noreturn]] void fail() const {
    if (errno == ENOSPC || errno == EDQUOT) throw Fault("disk.full", {{"path", path_}});
    throw Fault("export.failed", {{"path", path_}, {"reason", std::strerror(errno)}});
  }
  std::filesystem::path directory_;
  std::string path_;
  std::ofstream out_;
};

}  // namespace

void write(Reader& db, const Birth& birth, const Checkpoint& checkpoint,
           const std::string& denial_list, const std::string& directory) {
  std::filesystem::path root(directory);
  std::error_code error;
  std::filesystem::remove_all(root / "certs", error);
  std::filesystem::create_directories(root / "certs", error);
  if (error) throw Fault("export.failed", {{"path", directory}, {"reason", error.message()}});
  Writer writer(root);
  bundle(db, birth, checkpoint, denial_list,
         [&writer](const std::string& path, std::string_view chunk) { writer.chunk(path, chunk); });
  writer.finish();
}

}  // namespace mintmark::exports
