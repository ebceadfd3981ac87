// The handlers behind routes(), grouped as the API is. Each answers or throws a Fault.
#pragma once

#include <utility>

#include "station/ledger/ledger.hpp"
#include "station/rest/fields.hpp"
#include "station/rest/rest.hpp"

namespace mintmark::handlers {

using Handler = Task<Response>(Desk&, Call&);

Handler page_file;
Handler health, doctor, open_session, show_session, close_session;
Handler slots, events, resume_slot;
Handler list_lots, show_lot, open_lot, close_lot, pause_lot, resume_lot;
Handler list_units, show_unit, show_run, abandon_run, scan, void_label, lose_label;
Handler export_journal, export_checkpoint, export_vkey, export_units, export_certs, export_cert,
    export_chain, export_handovers, export_denied;
Handler list_acts, propose_act, confirm_act, withdraw_act;
Handler ca_request, install_ca, show_escrow, take_act;
Handler list_persons, add_person, remove_person, apply_roster;

// An act that takes no fields refuses those that it is given.
inline void must_be_empty(const Call& call) {
  if (!call.request.body.empty()) Fields(call.request.body).finish();
}

Json lot_json(const Lot& lot);
// Fault "http.not_yours" where an integrator asks for a lot that somebody else opened.
void must_be_theirs(const Call& call, const Lot& lot);

}  // namespace mintmark::handlers
