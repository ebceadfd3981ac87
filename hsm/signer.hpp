// The station's signers, as callers name them. A signer's key may be replaced (rotated): its
// generations are numbered from 1 and all stay in the token, because what an old one signed may
// have to be revoked by it. The fingerprint key is none of these: it is never replaced.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace mintmark {

enum class SignerRole { ca, journal, reopen, label };
inline constexpr std::array kSignerRoles = {SignerRole::ca, SignerRole::journal, SignerRole::reopen,
                                            SignerRole::label};

std::string_view word(SignerRole signer);  // ca, journal, reopen, label
std::optional<SignerRole> signer_from(std::string_view word);

}  // namespace mintmark
