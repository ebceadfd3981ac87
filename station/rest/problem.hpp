// Faults as people and machines read them: RFC 9457 problem+json, with the sentence of the language
// table.
#pragma once

#include <string>

#include "station/rest/http.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

// The English sentence of a code, its arguments filled in; the bare code where the table has none.
// Plain text: who shows it as HTML escapes it.
std::string sentence(const std::string& code, const Fault::Args& args);

int status_of(const std::string& code);  // 409 where the table has none
Response problem(const Fault& fault);    // never its cause, which is for the log

}  // namespace mintmark
