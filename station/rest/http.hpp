// A request and its answer without a socket: what Rest is given and what it gives back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "station/ledger/ledger.hpp"
#include "station/words/task.hpp"

namespace mintmark {

// The header fields that Mintmark looks at; an absent one is empty.
struct Request {
  Request() = default;
  Request(std::string method_, std::string target_, std::string body_ = {})
      : method(std::move(method_)), target(std::move(target_)), body(std::move(body_)) {}
  std::string method;
  std::string target;  // origin-form: path and query, still percent-encoded
  std::string host, authorization, cookie, origin, sec_fetch_site, content_type;
  std::string body;
  bool tls = false;             // the TLS listener; false: the Unix socket
  std::optional<unsigned> uid;  // of the Unix socket's peer, as the kernel says
};

// A body that is made while it is sent.
class Stream {
 public:
  virtual ~Stream() = default;
  // The next piece, or nullopt at the end. Answers within kStreamPause seconds.
  virtual Task<std::optional<std::string>> next() = 0;
};
inline constexpr int kStreamPause = 10;

struct Response {
  Response() = default;
  Response(int status_, std::string type_, std::string body_)
      : status(status_), type(std::move(type_)), body(std::move(body_)) {}
  int status = 204;
  std::string type;  // Content-Type; empty without a body
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::unique_ptr<Stream> stream;  // instead of `body`
};

Response json_response(const Json& body, int status = 200);

}  // namespace mintmark
