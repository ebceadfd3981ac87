// A small station for trying the reference unit: the other half of unit-protocol.md, over any
// transport. CBOR is nlohmann's, so that the unit's own is checked against another reading.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include "flash_file.h"
#include "frames.h"
#include "misbehave.h"
#include "unit.h"
}

namespace bench {

using Bytes = std::vector<std::uint8_t>;
using nlohmann::json;

inline Bytes hex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(
        static_cast<std::uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

inline std::string to_hex(const std::uint8_t* data, std::size_t size) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < size; i++) {
    out += digits[data[i] >> 4];
    out += digits[data[i] & 15];
  }
  return out;
}
inline std::string to_hex(const Bytes& data) { return to_hex(data.data(), data.size()); }

inline mu_span span(const Bytes& data) { return mu_bytes(data.data(), data.size()); }
inline Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }
inline json bin(const Bytes& data) { return json::binary(data); }
inline Bytes get(const json& map, const char* key) { return map.at(key).get_binary(); }

// A folder of its own for each test, removed afterwards.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "refunit-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

enum Version : std::uint8_t { kVersion1 = 0, kVersion2 = 1 };

// Sends a packet and answers the response's bytes, or nothing.
using Exchange = std::function<std::optional<Bytes>(const Bytes&)>;

class Station {
 public:
  explicit Station(Exchange exchange);

  std::optional<json> request(std::uint8_t op, std::uint16_t group, std::uint8_t command,
                              const json& body, Version version = kVersion2);
  json identify() { return request(0, 77, 0, json::object()).value(); }

  // 0, or the rc of group 77's error. On 0 a session is open.
  unsigned open_enrolment() { return open(1, "mintmark/enrolment"); }
  unsigned open_identity() { return open(2, "mintmark/identity"); }

  // One op in the session. An rc that came in clear is shown as {"clear": rc}.
  json op(const json& plain);
  json op_with(const char* name, std::initializer_list<std::pair<const char*, json>> fields);
  unsigned rc(const json& plain) { return op(plain).value("rc", 1000U); }

  // The usual ops.
  json login(const std::string& password, const std::string& name = "admin");
  bool lets_in(const std::string& password) { return login(password).value("ok", false); }
  unsigned inject(const std::string& password, const std::string& name = "admin");
  unsigned set_password(const std::string& password, const std::string& name = "admin");
  bool proves(const std::string& password, const std::string& name = "admin");
  // Runs §9 from open enrolment to a stored certificate.
  void enrol();

  Bytes seal(std::uint64_t i, const json& plain) const;
  json message(std::uint64_t i, const Bytes& c);
  json unseal(std::uint64_t i, const Bytes& c) const;

  // What the last opening brought.
  Bytes transcript, src, hw, spki;
  bool signature_good = false;
  std::uint64_t next = 0;
  Bytes enrolled_spki;
  std::uint8_t suite = 1;  // 2: the unit has no random generator
  std::array<std::uint8_t, 32> reopen_key{};
  Bytes last_packet;

 private:
  unsigned open(std::uint8_t command, const char* domain);
  void derive(const json& answer, const char* domain, const Bytes& e_private, const Bytes& e,
              const Bytes& n, const Bytes& run);

  Exchange exchange_;
  std::uint8_t sequence_ = 0;
  Bytes to_unit_, to_station_;
};

// rc of an error in clear: group errors as n, SMP errors as 1000 + n, 0 for none.
unsigned clear_rc(const json& answer, Version version = kVersion2);

// A unit in this process, with flash in a file.
class Unit {
 public:
  explicit Unit(const char* misbehave = "", mu_reset_policy policy = MU_RESET_OWN_CREDENTIAL);
  ~Unit();
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;

  std::optional<Bytes> exchange(const Bytes& packet);
  Exchange exchanger() {
    return [this](const Bytes& packet) { return exchange(packet); };
  }
  // Power off and on: everything in RAM is gone.
  void restart();

  mu_config config{};
  Folder folder;
  std::unique_ptr<mu_flash> flash = std::make_unique<mu_flash>();
  std::unique_ptr<mu_unit> unit = std::make_unique<mu_unit>();
  std::vector<Bytes> frames;  // of the last answer
  int restarts = 0;
  int deaths = 0;

 private:
  void start();
};

inline const std::string kOwn = "K7QM2XRD9HVTWN4C";
inline const std::string kDecoy = "ZZZZ2XRD9HVTWN4C";
inline const std::string kUsers = "correct horse battery";

// A unit that has its certificate and its factory credential, in an identity session.
struct Injected {
  Unit unit;
  Station station{unit.exchanger()};
  explicit Injected(const char* misbehave = "", mu_reset_policy policy = MU_RESET_OWN_CREDENTIAL)
      : unit(misbehave, policy) {
    station.enrol();
    EXPECT_EQ(station.open_identity(), 0U);
    EXPECT_EQ(station.inject(kOwn), 0U);
  }
  void reset() {
    EXPECT_EQ(station.rc({{"op", "factory-reset"}}), 0U);
    EXPECT_EQ(station.open_identity(), 0U);
  }
};

// Frames of a packet, joined.
Bytes to_line(const Bytes& packet);

}  // namespace bench
