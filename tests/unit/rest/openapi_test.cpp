// schema/openapi.yaml and routes() are one list.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "station/rest/rest.hpp"

namespace mintmark {
namespace {

// Paths stand at two blanks, methods at four, in the section `paths:`.
std::set<std::string> written() {
  std::ifstream file(MINTMARK_SOURCE "/schema/openapi.yaml");
  std::set<std::string> out;
  std::string line, path;
  bool inside = false;
  while (std::getline(file, line)) {
    if (!line.empty() && line.front() != ' ') inside = line == "paths:";
    if (!inside || !line.ends_with(':')) continue;
    if (line.starts_with("  /")) path = line.substr(2, line.size() - 3);
    for (std::string method : {"get", "post", "put", "delete", "patch"})
      if (line == "    " + method + ":") out.insert(method + " " + path);
  }
  return out;
}

std::set<std::string> served() {
  std::set<std::string> out;
  for (const Route& route : routes()) {
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    EXPECT_TRUE(out.insert(method + " " + std::string(route.pattern)).second) << route.pattern;
  }
  return out;
}

TEST(OpenApi, HasEveryRouteAndNoOther) {
  EXPECT_GT(served().size(), 30U);
  EXPECT_EQ(written(), served());
}

}  // namespace
}  // namespace mintmark
