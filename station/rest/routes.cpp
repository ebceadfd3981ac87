// The API as data. schema/openapi.yaml says what each takes and answers.
#include "station/rest/handlers.hpp"

namespace mintmark {

namespace {

using namespace handlers;

constexpr RoleSet kOperator = of(Role::op), kLead = of(Role::lead), kOfficer = of(Role::officer),
                  kIntegrator = of(Role::integrator), kAuditor = of(Role::auditor);
constexpr RoleSet kHouse = kAnyone & ~kIntegrator;  // who may see the whole line

constexpr Route kRoutes[] = {
    {"GET", "/", kPublic, "lang", page_file},
    {"GET", "/page.js", kPublic, "", page_file},
    {"GET", "/draw.js", kPublic, "", page_file},
    {"GET", "/page.css", kPublic, "", page_file},
    {"GET", "/icon.svg", kPublic, "", page_file},
    {"GET", "/lang/{file}", kPublic, "", page_file},

    {"GET", "/api/v1/health", kPublic, "", health},
    {"GET", "/api/v1/doctor", kAnyone, "", doctor},
    {"POST", "/api/v1/session", kPublic, "", open_session},
    {"GET", "/api/v1/session", kAnyone, "", show_session},
    {"DELETE", "/api/v1/session", kAnyone, "", close_session},

    {"GET", "/api/v1/slots", kHouse, "", slots},
    {"GET", "/api/v1/events", kHouse, "", events},
    {"POST", "/api/v1/slots/{name}/resume", kLead, "", resume_slot},

    {"GET", "/api/v1/lots", kAnyone, "", list_lots},
    {"GET", "/api/v1/lots/{id}", kAnyone, "", show_lot},
    {"POST", "/api/v1/lots", kLead | kOfficer | kIntegrator, "", open_lot},
    {"POST", "/api/v1/lots/{id}/close", kLead, "", close_lot},
    {"POST", "/api/v1/lots/{id}/pause", kLead, "", pause_lot},
    {"POST", "/api/v1/lots/{id}/resume", kLead, "", resume_lot},

    {"GET", "/api/v1/units", kAnyone, "lot after limit", list_units},
    {"GET", "/api/v1/units/{serial}", kAnyone, "", show_unit},
    {"GET", "/api/v1/runs/{id}", kAnyone, "", show_run},
    {"POST", "/api/v1/runs/{id}/abandon", kLead, "", abandon_run},
    {"POST", "/api/v1/scan", kOperator, "", scan},
    {"POST", "/api/v1/labels/void", kLead, "", void_label},
    {"POST", "/api/v1/labels/lost", kOperator | kLead, "", lose_label},

    {"GET", "/api/v1/export/journal", kAuditor | kLead, "until", export_journal},
    {"GET", "/api/v1/export/checkpoint", kAuditor | kLead, "nonce earlier", export_checkpoint},
    {"GET", "/api/v1/export/checkpoint.vkey", kAuditor | kLead, "", export_vkey},
    {"GET", "/api/v1/export/handovers", kAuditor | kLead, "", export_handovers},
    {"GET", "/api/v1/export/units.csv", kAuditor | kLead, "", export_units},
    {"GET", "/api/v1/export/certs", kAuditor | kLead, "", export_certs},
    {"GET", "/api/v1/export/certs/{serial}", kAuditor | kLead, "", export_cert},
    {"GET", "/api/v1/export/ca-chain", kAuditor | kLead, "", export_chain},
    {"GET", "/api/v1/export/denied.crl", kAuditor | kLead, "until", export_denied},

    {"GET", "/api/v1/acts", kLead | kOfficer | kAuditor, "all", list_acts},
    {"POST", "/api/v1/acts", kOfficer, "", propose_act},
    {"POST", "/api/v1/acts/{id}/confirm", kOfficer, "", confirm_act},
    {"POST", "/api/v1/acts/{id}/withdraw", kOfficer, "", withdraw_act},
    {"GET", "/api/v1/ca/request", kLead | kOfficer, "", ca_request},
    {"POST", "/api/v1/ca", kLead | kOfficer, "", install_ca},
    {"GET", "/api/v1/escrow", kLead | kOfficer | kAuditor, "", show_escrow},
    {"POST", "/api/v1/acts/{id}/take", kOfficer, "", take_act},

    {"GET", "/api/v1/persons", kLead | kOfficer | kAuditor, "", list_persons},
    {"POST", "/api/v1/persons", kLead | kOfficer, "", add_person},
    {"DELETE", "/api/v1/persons/{name}", kLead | kOfficer, "", remove_person},
    {"PUT", "/api/v1/roster", kLead | kOfficer, "", apply_roster},
};

}  // namespace

std::span<const Route> routes() { return kRoutes; }

}  // namespace mintmark
