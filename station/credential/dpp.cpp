#include "station/credential/dpp.hpp"

#include <algorithm>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

[[noreturn]] void refuse_dpp(const char* reason) {
  throw Fault("policy.dpp", {{"reason", reason}});
}

// RFC 5480 with a compressed point: its parity, then X.
Bytes compressed_spki(View point) {
  Bytes out = {0x30, 0x39, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
               0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x22, 0x00};
  out.push_back((point[64] & 1U) != 0 ? 3 : 2);
  out.insert(out.end(), point.begin() + 1, point.begin() + 33);
  return out;
}

bool is_decimal(std::string_view text) {
  return !text.empty() && text.size() <= 3 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string bare_mac(std::string_view mac) {
  std::string out;
  for (char c : mac)
    if (c != ':') out += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  if (out.size() != 12 || !from_hex(out)) refuse_dpp("the MAC is not six pairs of hex digits");
  return out;
}

}  // namespace

bool is_dpp_channel(std::string_view channel) {
  std::size_t slash = channel.find('/');
  return slash != channel.npos && is_decimal(channel.substr(0, slash)) &&
         is_decimal(channel.substr(slash + 1));
}

std::string dpp_uri(View spki, std::string_view info, std::string_view mac,
                    const std::vector<std::string>& channels) {
  auto point = p256_point(spki);
  if (!point) refuse_dpp("the bootstrapping key is not a P-256 key");
  bool clean =
      std::all_of(info.begin(), info.end(), [](char c) { return c > ' ' && c <= '~' && c != ';'; });
  if (!clean) refuse_dpp("the information holds a semicolon, a blank or an unprintable byte");
  if (!std::all_of(channels.begin(), channels.end(), is_dpp_channel))
    refuse_dpp("a channel is not written as class/number");
  std::string out = "DPP:";
  for (std::size_t i = 0; i < channels.size(); ++i)
    out.append(i == 0 ? "C:" : ",").append(channels[i]);
  if (!channels.empty()) out += ';';
  if (!info.empty()) out.append("I:").append(info).append(";");
  if (!mac.empty()) out.append("M:").append(bare_mac(mac)).append(";");
  return out.append("K:").append(base64(compressed_spki(*point))).append(";;");
}

}  // namespace mintmark
