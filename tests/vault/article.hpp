// What a station of a sweep makes. Between them these ask the token for all that a run can need.
#pragma once

#include <string>

#include "station/words/bytes.hpp"

namespace mintmark {

struct Article {
  std::string sweep;           // behind "vault", the sweep's name
  std::string product, label;  // files of deploy/examples
  std::string name;            // as orders name it
  int number;
  std::string model;  // of its units
  // false: its units get their key from the token, wrapped; and their password derived there
  bool has_generator = true;
};

inline const Article kLamp = {"", "lamp.toml", "label-device.zpl", "Aurora Lamp", 1, "LAMP-3"};
inline const Article kRouter = {" router", "router.toml", "label-router.zpl", "Aurora Mesh",
                                2,         "MESH-1"};
inline const Article kWrapped = {" wrapped", "lamp.toml", "label-device.zpl", "Aurora Lamp", 1,
                                 "LAMP-3",   false};

Bytes product_of(const Article& article);
Bytes label_of(const Article& article);

}  // namespace mintmark
