// Requests and keys of units, certificates of owners.
#include "station/credential/authority.hpp"
#include "station/credential/key_check.hpp"
#include "station/credential/pkcs10.hpp"
#include "station/export/chain.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace mintmark;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  auto algorithm = static_cast<KeyAlgorithm>(input.choice / 4 % 5);
  switch (input.choice % 4) {
    case 0:
      fuzz::answers([&] { check_pkcs10(input.bytes, Pkcs10Rules(algorithm, "SN-1", Digest{})); });
      break;
    case 1:
      fuzz::answers([&] { check_key(input.bytes, algorithm); });
      break;
    case 2:
      certificate_key(input.bytes);
      break;
    default:
      fuzz::answers([&] { check_ca_chain(Bytes(65, 4), exports::read_pem(text(input.bytes))); });
  }
  return 0;
}
