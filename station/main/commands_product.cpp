// At the owner's desk: whether a product, or a sample of somebody's labels, is fit to be made.
#include <iostream>
#include <set>

#include "station/main/commands.hpp"
#include "station/main/files.hpp"
#include "station/product/lint.hpp"
#include "station/product/product.hpp"

namespace mintmark {

namespace {

struct LintWords {
  std::string file, samples, defaults;
};

void lint_product(const std::string& file) {
  Product product = Product::parse(read_text(file), file);
  std::cout << "product: " << product.name << "\n";
  if (product.password)
    std::cout << "password: " << product.password->length << " symbols of "
              << product.password->alphabet.size()
              << (product.keyed ? ", derived under a key of the token, " : ", random, ")
              << static_cast<int>(product.password->bits()) << " bits\n";
}

// How many findings. A finding names its sample and never shows a password.
std::size_t lint_samples(const LintWords& words) {
  std::set<std::string> defaults = known_defaults();
  if (!words.defaults.empty()) defaults.merge(read_defaults(read_text(words.defaults)));
  std::vector<LabelSample> samples = read_samples(read_text(words.samples));
  std::vector<PasswordFinding> findings = lint_passwords(samples, defaults);
  for (const PasswordFinding& finding : findings)
    std::cout << finding.code << ": sample " << finding.sample << " " << finding.says << "\n";
  std::cout << "samples: " << samples.size() << "\nfindings: " << findings.size() << "\n";
  return findings.size();
}

}  // namespace

void add_product_commands(CLI::App& app, Context& context) {
  auto* product = app.add_subcommand("product", "at the owner's desk: products");
  product->require_subcommand(1);
  auto words = std::make_shared<LintWords>();
  auto* lint = product->add_subcommand(
      "lint", "check a product file, and a sample of labels; exit 1 if a password can be guessed");
  lint->add_option("FILE", words->file, "the product, TOML")->required();
  lint->add_option("--samples", words->samples,
                   "CSV with the columns password, serial, mac, ssid, in the order of making");
  lint->add_option("--defaults", words->defaults,
                   "more passwords that are known defaults, one a line");
  lint->callback([words, &context] {
    lint_product(words->file);
    if (!words->samples.empty()) context.exit_code = lint_samples(*words) == 0 ? 0 : 1;
  });
}

}  // namespace mintmark
