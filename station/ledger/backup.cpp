#include "station/ledger/backup.hpp"

#include "station/ledger/open.hpp"

namespace mintmark {

namespace {

void copy_pages(sqlite::Database& from, const std::string& copy) {
  sqlite::Database to(copy, sqlite::Database::Mode::plain);
  sqlite3_backup* work = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (work == nullptr) throw sqlite::fault(to.handle(), sqlite3_errcode(to.handle()), "back up");
  // In one step, and so of one moment: the writer goes on in its log.
  int rc = sqlite3_backup_step(work, -1);
  sqlite3_backup_finish(work);
  if (rc != SQLITE_DONE) throw sqlite::fault(to.handle(), rc, "back up");
}

}  // namespace

Audited back_up(const std::string& ledger, const std::string& copy) {
  sqlite::Database from(must_be_file(ledger), sqlite::Database::Mode::read_only);
  make_ledger_file(copy);
  try {
    copy_pages(from, copy);
    sync_folder(copy);
    return audit_file(copy);
  } catch (...) {
    remove_ledger_files(copy);
    throw;
  }
}

Audited audit_file(const std::string& path) {
  sqlite::Database db(must_be_file(path), sqlite::Database::Mode::read_only);
  schema::must_be_current(db);
  db.exec("BEGIN");
  Reader reader(db);
  return audit(reader, birth_in(reader), std::nullopt);
}

std::string newest_note(const std::string& path) {
  sqlite::Database db(must_be_file(path), sqlite::Database::Mode::read_only);
  Reader reader(db);
  auto note = reader.value<Bytes>("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1");
  return std::string(text(note.value_or(Bytes{})));
}

}  // namespace mintmark
