// What a product's units keep secret, as its owner wrote it: [password], [wifi], [matter], [[key]]
// and [easy_connect] of schema/product.md.
#pragma once

#include "station/product/product.hpp"
#include "station/product/toml.hpp"

namespace mintmark {

// Fault "config.invalid" for what is unknown, contradicts itself or makes a weak secret.
void read_credentials(TomlTable& table, Product& out);

}  // namespace mintmark
