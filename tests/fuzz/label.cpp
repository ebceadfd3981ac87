// Label templates, and what a scanner types.
#include "station/label/scan.hpp"
#include "station/label/template.hpp"
#include "station/words/unit.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace mintmark;

static void read_symbol(std::string_view typed) {
  auto symbol = ControlSymbol::parse(typed);
  if (symbol && symbol->str() != typed) std::abort();  // one symbol, one spelling
}

static void read_template(View zpl) {
  Template form = Template::parse(zpl);
  Template::Secrets secrets;
  if (form.uses("password")) secrets["password"] = Secret::copy_of(view("ABCD-EFGH-JKLM-NPQR"));
  form.render({{"serial", "SN-1"}, {"control", "MM1:SN-1:device:1"}, {"model", "M^1~"}}, secrets);
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.choice % 3) {
    case 0:
      read_symbol(text(input.bytes));
      break;
    case 1:
      read_control_symbol(input.bytes);
      break;
    default:
      fuzz::answers([&] { read_template(input.bytes); });
  }
  return 0;
}
