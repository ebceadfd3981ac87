// What the token holds beside the station's keys: notes, which are private data objects (PKCS#11
// v2.40 section 4.5), and the keys of lots.
#include <algorithm>

#include "hsm/vault_state.hpp"

namespace mintmark {

using pkcs11::Attributes;
using pkcs11::Connection;
using pkcs11::Session;

static Attributes note_named(const std::string& label) {
  Attributes out;
  out.number(CKA_CLASS, CKO_DATA).flag(CKA_TOKEN, true).bytes(CKA_LABEL, view(label));
  return out;
}

std::vector<Bytes> notes_in(Session& session, const std::string& label) {
  std::vector<Bytes> out;
  for (CK_OBJECT_HANDLE note : session.find(note_named(label)))
    out.push_back(session.attribute(note, CKA_VALUE).value_or(Bytes{}));
  return out;
}

std::vector<Bytes> Vault::notes(const std::string& label) {
  return state_->link.run(pkcs11::Link::Repeat::yes,
                          [&](Connection&, Session& session) { return notes_in(session, label); });
}

std::vector<std::string> Vault::lot_keys() {
  Attributes secret;
  secret.number(CKA_CLASS, CKO_SECRET_KEY).flag(CKA_TOKEN, true);
  return state_->link.run(pkcs11::Link::Repeat::yes, [&](Connection&, Session& session) {
    std::vector<std::string> out;
    for (CK_OBJECT_HANDLE key : session.find(secret)) {
      Bytes label = session.attribute(key, CKA_LABEL).value_or(Bytes{});
      if (text(label).starts_with("mintmark-lot-")) out.emplace_back(text(label));
    }
    return out;
  });
}

static bool is_kept(const std::vector<Bytes>& notes, View text) {
  return std::any_of(notes.begin(), notes.end(), [&](const Bytes& n) { return equal(n, text); });
}

static void destroy_all_but_one(Session& session, const std::string& label, View text) {
  bool kept = false;
  for (CK_OBJECT_HANDLE note : session.find(note_named(label))) {
    bool it = equal(session.attribute(note, CKA_VALUE).value_or(Bytes{}), text);
    if (it && !kept)
      kept = true;
    else
      session.destroy(note);
  }
}

// The new one is there, and on the disk, before the old one goes: a crash leaves both.
void Vault::keep_note(const std::string& label, View text) {
  Attributes fresh = note_named(label);
  fresh.flag(CKA_PRIVATE, true).flag(CKA_MODIFIABLE, false).bytes(CKA_VALUE, text);
  if (!is_kept(notes(label), text))
    state_->change([&](Connection&, Session& session) { session.create(fresh); });
  std::vector<Bytes> kept = notes(label);
  if (!is_kept(kept, text))
    throw Fault("token.refused", {{"call", "C_CreateObject"}, {"rv", "the object is not there"}});
  if (kept.size() > 1)
    state_->change(
        [&](Connection&, Session& session) { destroy_all_but_one(session, label, text); });
}

}  // namespace mintmark
