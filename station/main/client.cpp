#include "station/main/client.hpp"

#include <curl/curl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "station/words/fault.hpp"

namespace mintmark {

namespace {

constexpr std::size_t kAnswerLimit = 64 << 20;

struct Closer {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// What arrives: an answer goes to `take`, a problem is collected.
struct Arrival {
  CURL* handle = nullptr;
  const std::function<bool(std::string_view)>* take = nullptr;
  std::string problem;
  bool stopped = false;
};

std::size_t arrive(char* data, std::size_t, std::size_t size, void* to) {
  auto* arrival = static_cast<Arrival*>(to);
  long status = 0;
  curl_easy_getinfo(arrival->handle, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 400) {
    if (arrival->problem.size() < kAnswerLimit) arrival->problem.append(data, size);
    return size;
  }
  if ((*arrival->take)(std::string_view(data, size))) return size;
  arrival->stopped = true;
  return 0;
}

Fault fault_of(const std::string& problem) {
  Json body = Json::parse(problem, nullptr, false);
  if (!body.is_object() || !body.contains("code") || !body["code"].is_string())
    return Fault("station.answer", {}, problem.substr(0, 200));
  Fault::Args args;
  Json given = body.value("args", Json::object());
  for (const auto& [key, value] : given.items())
    if (value.is_string()) args[key] = value.get<std::string>();
  return Fault(body["code"].get<std::string>(), std::move(args));
}

// One event of a stream (HTML standard, "Server-sent events"), as far as the station uses it.
struct Event {
  std::string name, data;
};
Event read_event(std::string_view block) {
  Event out;
  while (!block.empty()) {
    std::size_t end = std::min(block.find('\n'), block.size());
    std::string_view line = block.substr(0, end);
    block.remove_prefix(std::min(end + 1, block.size()));
    if (line.starts_with("event: ")) out.name = line.substr(7);
    if (line.starts_with("data: ")) out.data = line.substr(6);
  }
  return out;
}

}  // namespace

Client::Client(std::string socket, std::string token)
    : socket_(std::move(socket)), token_(std::move(token)) {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kReady != CURLE_OK) throw Fault("station.unreachable", {{"socket", socket_}});
}

void Client::perform(const std::string& method, const std::string& path, const Json* body,
                     const Take& take) {
  std::unique_ptr<CURL, Closer> handle(curl_easy_init());
  std::unique_ptr<curl_slist, Closer> headers(
      curl_slist_append(nullptr, "Content-Type: application/json"));
  headers.reset(curl_slist_append(headers.release(), "Expect:"));
  if (!token_.empty())
    headers.reset(
        curl_slist_append(headers.release(), ("Authorization: Bearer " + token_).c_str()));
  std::string url = "http://localhost/api/v1" + path, bytes = body != nullptr ? body->dump() : "";
  Arrival arrival;
  arrival.handle = handle.get();
  arrival.take = &take;
  curl_easy_setopt(handle.get(), CURLOPT_UNIX_SOCKET_PATH, socket_.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_CUSTOMREQUEST, method.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &arrive);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &arrival);
  if (body != nullptr) {
    curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDS, bytes.data());
    curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(bytes.size()));
  }
  CURLcode code = curl_easy_perform(handle.get());
  if (arrival.stopped) return;
  if (code != CURLE_OK)
    throw Fault("station.unreachable", {{"socket", socket_}}, curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status >= 400) throw fault_of(arrival.problem);
}

std::string Client::text(const std::string& path) {
  std::string out;
  perform("GET", path, nullptr, [&](std::string_view piece) {
    out += piece;
    return out.size() <= kAnswerLimit;
  });
  return out;
}

Json Client::ask(const std::string& method, const std::string& path, const Json* body) {
  std::string out;
  perform(method, path, body, [&](std::string_view piece) {
    out += piece;
    return out.size() <= kAnswerLimit;
  });
  if (out.empty()) return Json::object();
  Json answer = Json::parse(out, nullptr, false);
  if (answer.is_discarded()) throw Fault("station.answer", {}, "not JSON");
  return answer;
}

void Client::download(const std::string& path, const std::string& file) {
  std::string fresh = file + ".new";
  std::unique_ptr<std::FILE, Closer> out(std::fopen(fresh.c_str(), "wb"));
  if (!out) throw Fault("file.write", {{"file", file}, {"reason", "it cannot be made"}});
  bool full = false;
  perform("GET", path, nullptr, [&](std::string_view piece) {
    full = std::fwrite(piece.data(), 1, piece.size(), out.get()) != piece.size();
    return !full;
  });
  full = std::fflush(out.get()) != 0 || ::fsync(::fileno(out.get())) != 0 || full;
  out.reset();
  if (full || std::rename(fresh.c_str(), file.c_str()) != 0)
    throw Fault("file.write", {{"file", file}, {"reason", "it is not whole"}});
}

void Client::events(const std::function<bool(const std::string&, const Json&)>& event) {
  std::string buffer;
  bool stopped = false;
  perform("GET", "/events", nullptr, [&](std::string_view piece) {
    buffer += piece;
    for (std::size_t end = buffer.find("\n\n"); end != std::string::npos && !stopped;
         end = buffer.find("\n\n")) {
      Event next = read_event(std::string_view(buffer).substr(0, end));
      buffer.erase(0, end + 2);
      Json data = Json::parse(next.data, nullptr, false);
      stopped = !data.is_discarded() && !event(next.name, data);
    }
    return !stopped && buffer.size() <= kAnswerLimit;
  });
  if (!stopped) throw Fault("station.unreachable", {{"socket", socket_}}, "the events ended");
}

bool Client::answers() {
  try {
    get("/health");
    return true;
  } catch (const Fault&) {
    return false;
  }
}

std::string percent_encoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    }
  }
  return out;
}

}  // namespace mintmark
