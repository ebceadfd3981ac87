#include "hsm/storage.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "hsm/uri.hpp"

namespace mintmark {

namespace fs = std::filesystem;

// softhsm2.conf(5): the environment, the user's own file, the system's.
static fs::path softhsm_configuration() {
  if (const char* named = std::getenv("SOFTHSM2_CONF")) return named;
  if (const char* home = std::getenv("HOME")) {
    fs::path own = fs::path(home) / ".config/softhsm2/softhsm2.conf";
    std::error_code none;
    if (fs::exists(own, none)) return own;
  }
  return "/etc/softhsm/softhsm2.conf";
}

static std::string trimmed(const std::string& text) {
  constexpr const char* kBlank = " \t\r";
  auto from = text.find_first_not_of(kBlank), to = text.find_last_not_of(kBlank);
  return from == text.npos ? "" : text.substr(from, to - from + 1);
}

static std::string softhsm_directory() {
  std::ifstream in(softhsm_configuration());
  std::string out;
  for (std::string line; std::getline(in, line);) {
    line = line.substr(0, line.find('#'));
    auto equals = line.find('=');
    if (equals != line.npos && trimmed(line.substr(0, equals)) == "directories.tokendir")
      out = trimmed(line.substr(equals + 1));
  }
  return out;
}

// configdir='sql:/path'
static std::string nss_directory(const std::string& parameters) {
  constexpr std::string_view kKey = "configdir='";
  auto from = parameters.find(kKey);
  if (from == parameters.npos) return "";
  from += kKey.size();
  std::string out = parameters.substr(from, parameters.find('\'', from) - from);
  return out.starts_with("sql:") ? out.substr(4) : out;
}

std::optional<std::string> token_directory(const TokenConfig& config) {
  std::string module = fs::path(pkcs11::TokenUri(config.uri).module_path()).filename();
  bool softhsm = module.find("softhsm2") != module.npos;
  std::string out = softhsm ? softhsm_directory() : nss_directory(config.init_parameters);
  std::error_code none;
  if (out.empty() || !fs::is_directory(out, none)) return std::nullopt;
  return out;
}

}  // namespace mintmark
