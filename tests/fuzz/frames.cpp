// What a unit sends: SMP console frames, packets, CBOR.
#include "fixtures/cbor.hpp"
#include "fixtures/frame.hpp"
#include "fixtures/smp.hpp"
#include "fixtures/smp_unit.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace mintmark;

static void read_packet(View packet) {
  auto decoded = decode_packet(packet);
  if (decoded) parse_reply(decoded->body);
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.choice % 3) {
    case 0: {
      FrameDecoder decoder;
      decoder.feed(input.bytes);
      while (auto packet = decoder.take()) read_packet(*packet);
      break;
    }
    case 1:
      read_packet(input.bytes);
      break;
    default:
      // What is well-formed here must not surprise the library behind it.
      if (auto map = cbor_map(input.bytes)) {
        bytes_of(*map, "sig");
        text_of(*map, "model");
        number_of(*map, "rc");
        flag_of(*map, "locked");
        parse_identification(*map);
      } else {
        parse_reply(input.bytes);
      }
  }
  return 0;
}
