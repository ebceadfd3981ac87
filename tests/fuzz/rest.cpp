// Requests to the HTTP API: "METHOD target person" on the first line, a body behind it.
#include <sstream>

#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/rest/house.hpp"

using namespace mintmark;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto* house = new House;  // its threads end with the process
  std::string input(text(View(data, size)));
  auto end = input.find('\n');
  std::istringstream words(input.substr(0, end));
  std::string method, target, person;
  words >> method >> target >> person;
  Request request(method, target, end == std::string::npos ? "" : input.substr(end + 1));
  request.authorization = "Bearer " + House::token_of(person);
  request.content_type = "application/json";
  if (request.body.size() > Rest::body_limit(method, target)) return 0;  // the server's to refuse
  Response response = house->ask(std::move(request));
  if (response.status >= 500 && response.body.find("station.internal") != std::string::npos)
    std::abort();
  return 0;
}
