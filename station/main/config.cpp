#include "station/main/config.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "station/product/toml.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un

std::string absolute(const std::string& path, const fs::path& base) {
  return (base / path).lexically_normal().string();
}

// $CREDENTIALS_DIRECTORY/token-pin: systemd's LoadCredential= or LoadCredentialEncrypted=.
std::string credential_pin() {
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr) return {};
  std::string file = std::string(directory) + "/token-pin";
  std::error_code ignored;
  return fs::exists(file, ignored) ? file : std::string();
}

void read_token(TomlTable table, Config& config) {
  config.token.uri = table.string("uri");
  if (!config.token.uri.starts_with("pkcs11:"))
    table.refuse("uri", "must be a PKCS#11 URI: pkcs11:token=NAME?module-path=/...");
  if (config.token.uri.find("pin-value") != std::string::npos)
    table.refuse("uri", "holds a PIN (pin-value): name a file with pin-source=file:/... instead");
  config.token.sessions = static_cast<int>(table.integer_or("sessions", 1, 64, 4));
  std::string away = table.string_or("when_away", "wait");
  if (away != "wait" && away != "stop")
    table.refuse("when_away", "must be \"wait\" (runs stay in their slots) or \"stop\"");
  config.when_away = away == "wait" ? WhenAway::wait : WhenAway::stop;
  config.token.state_dir = config.state_dir;
  config.token.pin_file_override = credential_pin();
  config.token.init_parameters = table.string_or("init_parameters", "");
  table.finish();
}

void read_listen(TomlTable& table, Listen& listen) {
  std::string text = table.string("listen");
  std::size_t colon = text.rfind(':');
  std::string address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  unsigned port = 65536;
  if (colon != std::string::npos)
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  boost::system::error_code error;
  asio::ip::make_address(address, error);
  if (error || port > 65535)
    table.refuse("listen", "must be an address and a port, such as \"127.0.0.1:8443\"");
  listen.address = address;
  listen.port = static_cast<unsigned short>(port);
}

void read_http(TomlTable table, Config& config, const fs::path& base) {
  Listen& listen = config.listen;
  if (table.has("listen")) read_listen(table, listen);
  config.names = table.strings_or("names", {});
  for (const std::string& name : config.names)
    if (name.empty() || name.size() > 253 ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-:") != std::string::npos)
      table.refuse("names", "\"" + name + "\" is not a host name or address in lower case");
  listen.socket = absolute(table.string_or("socket", listen.socket), base);
  if (listen.socket.size() > kMaxSocketPath)
    table.refuse("socket", "is longer than the 107 bytes that a Unix socket's path may have");
  listen.certificate = absolute(table.string_or("certificate", listen.certificate), base);
  listen.key = absolute(table.string_or("key", listen.key), base);
  table.finish();
}

void read_label(TomlTable table, Config& config, const fs::path& base) {
  if (table.string("sink") != "spool") table.refuse("sink", "must be \"spool\"");
  config.label_directory = absolute(table.string("directory"), base);
  config.allow_plaintext_spool = table.boolean_or("allow_plaintext_spool", false);
  if (!config.allow_plaintext_spool)
    table.refuse("sink",
                 "writes passwords into files: set allow_plaintext_spool = true if that is meant");
  table.finish();
}

// ttyUSB0 is another fixture tomorrow: a slot is a place, so its port must be one, too.
void check_port(const TomlTable& table, const std::string& port) {
  std::string name = fs::path(port).filename().string();
  for (std::string_view kernel : {"ttyUSB", "ttyACM"})
    if (name.starts_with(kernel))
      table.refuse("port", "\"" + port +
                               "\" is numbered in the order of plugging in: name the place, "
                               "/dev/serial/by-path/... or a link of a udev rule");
  if (!fs::path(port).is_absolute()) table.refuse("port", "must be an absolute path");
}

SlotConfig read_slot(TomlTable table) {
  SlotConfig slot;
  slot.name = table.string("name");
  if (slot.name.empty() || slot.name.size() > 16 ||
      slot.name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "_-") != std::string::npos)
    table.refuse("name", "must be 1 to 16 letters, digits, - or _");
  slot.protocol = table.string("protocol");
  if (slot.protocol != "smp") table.refuse("protocol", "must be \"smp\"");
  slot.port = table.string("port");
  check_port(table, slot.port);
  slot.baud = static_cast<unsigned>(table.integer_or("baud", 1200, 4000000, 115200));
  table.finish();
  return slot;
}

void read_slots(TomlTable& root, Config& config) {
  std::set<std::string> names, ports;
  for (TomlTable& table : root.tables("slot")) {
    SlotConfig slot = read_slot(table);
    if (!names.insert(slot.name).second)
      table.refuse("name", "\"" + slot.name + "\" is the name of another slot");
    if (!ports.insert(slot.port).second)
      table.refuse("port", "\"" + slot.port + "\" is the port of another slot");
    config.slots.push_back(std::move(slot));
  }
}

}  // namespace

std::vector<std::string> Config::hosts() const {
  std::vector<std::string> out = names;
  for (const char* own : {"localhost", "127.0.0.1", "[::1]"}) out.emplace_back(own);
  bool v6 = listen.address.find(':') != std::string::npos;
  if (!listen.address.empty()) out.push_back(v6 ? "[" + listen.address + "]" : listen.address);
  return out;
}

Config parse_config(std::string_view text, const std::string& path) {
  TomlTable root = TomlTable::parse(text, path);
  fs::path base = fs::absolute(path).parent_path();
  Config config;
  config.file = path;
  config.state_dir = absolute(root.string("state_dir"), base);
  config.organization = root.string_or("organization", config.organization);
  if (config.organization.empty() || config.organization.size() > 64)
    root.refuse("organization", "must be 1 to 64 bytes");
  config.listen.socket = config.state_dir + "/mintmark.sock";
  config.listen.certificate = config.state_dir + "/tls.pem";
  config.listen.key = config.state_dir + "/tls-key.pem";
  read_token(root.table("token"), config);
  if (auto http = root.table_if("http")) read_http(std::move(*http), config, base);
  if (config.listen.socket.size() > kMaxSocketPath)
    root.refuse("state_dir", "is too long for the Unix socket in it: set [http] socket");
  read_label(root.table("label"), config, base);
  read_slots(root, config);
  if (auto scanner = root.table_if("scanner")) {
    config.simulate_scanner = scanner->boolean_or("simulate", false);
    scanner->finish();
  }
  if (auto journal = root.table_if("journal")) {
    config.checkpoint_every =
        static_cast<int>(journal->integer_or("checkpoint_every", 1, 1000000, 1000));
    journal->finish();
  }
  root.finish();
  return config;
}

Config read_config(const std::string& path) {
  std::error_code error;
  auto size = fs::file_size(path, error);
  if (error || size > (1U << 20)) throw Fault("config.missing", {{"file", path}});
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw Fault("config.missing", {{"file", path}});
  std::string text(size, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return parse_config(text, path);
}

}  // namespace mintmark
