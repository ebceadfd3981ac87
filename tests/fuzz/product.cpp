// A product file, as its owner writes it.
#include "station/product/product.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace mintmark;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::answers([&] { Product::parse(text(View(data, size)), "product.toml"); });
  return 0;
}
