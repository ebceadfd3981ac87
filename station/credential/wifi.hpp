// A unit's own Wi-Fi network: its name, which is public, and the QR code that lets a guest in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "station/words/secret.hpp"

namespace mintmark {

// A network name of a product: printable ASCII in which {serialN} and {macN}, N of 2 to 12, stand
// for the last N letters and digits of the serial or MAC. It tells nothing of the key: keys are
// drawn, never derived, and drawn again where they share four symbols with it.
// Why it is none, for people; nullopt where it is fine.
std::optional<std::string> fault_in_ssid_pattern(std::string_view pattern);
bool ssid_needs_mac(std::string_view pattern);

// At most 32 bytes (IEEE 802.11, 9.4.2.2). Fault("policy.ssid", reason) where the serial or the MAC
// is too short for the pattern or the name would be too long.
std::string derive_ssid(std::string_view pattern, std::string_view serial, std::string_view mac);

// "WIFI:T:WPA;S:<ssid>;P:<key>;;", backslash, semicolon, comma, quote and colon escaped with a
// backslash. "WPA" stands for WPA2 and WPA3 alike: some phones refuse anything longer.
Secret wifi_qr(std::string_view ssid, const Secret& key);

}  // namespace mintmark
