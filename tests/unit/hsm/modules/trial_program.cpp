// A program that modules are tried in: what mintmark and mintmarkd are, and nothing more.
#include "hsm/probe.hpp"

int main(int argc, char** argv) {
  mintmark::pkcs11::offer_module_trial(argc, argv);
  return 0;
}
