// The command's side of the API: HTTP over the daemon's Unix socket, where the kernel says who
// asks.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "station/ledger/ledger.hpp"

namespace mintmark {

class Client {
 public:
  // With a token, its bearer asks; without one, whoever the kernel says is at the socket.
  explicit Client(std::string socket, std::string token = {});

  // `path` below /api/v1. An answer that is a problem is thrown as the Fault that it was; nobody at
  // the socket is Fault "station.unreachable" (socket).
  Json get(const std::string& path) { return ask("GET", path, nullptr); }
  Json post(const std::string& path, const Json& body = Json::object()) {
    return ask("POST", path, &body);
  }
  Json put(const std::string& path, const Json& body) { return ask("PUT", path, &body); }
  Json remove(const std::string& path) { return ask("DELETE", path, nullptr); }
  std::string text(const std::string& path);
  void download(const std::string& path, const std::string& file);  // in one rename, when whole
  // Server-sent events, until `event` answers false. Fault "station.unreachable" when it ends.
  void events(const std::function<bool(const std::string& name, const Json& data)>& event);
  bool answers();

 private:
  using Take = std::function<bool(std::string_view piece)>;
  Json ask(const std::string& method, const std::string& path, const Json* body);
  void perform(const std::string& method, const std::string& path, const Json* body,
               const Take& take);

  std::string socket_;
  std::string token_;
};

std::string percent_encoded(std::string_view text);  // for one segment or value

}  // namespace mintmark
