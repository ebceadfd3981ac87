// What auditors take away, and their proof of it on any other machine.
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "station/export/verify.hpp"
#include "station/ledger/checkpoint.hpp"
#include "station/main/commands.hpp"
#include "station/main/files.hpp"
#include "station/words/fault.hpp"
#include "station/words/unit.hpp"

namespace mintmark {

namespace {

namespace fs = std::filesystem;

constexpr int kTries = 20;

struct ExportWords {
  std::string directory;
  std::optional<std::string> nonce, earlier;
};

// The second line of a checkpoint is the size of the journal that it covers.
std::string size_of(const std::string& note) {
  std::size_t begin = note.find('\n');
  if (begin == std::string::npos) throw Fault("station.answer");
  return note.substr(begin + 1, note.find('\n', begin + 1) - begin - 1);
}

void make_directory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw Fault("file.write", {{"file", path}, {"reason", error.message()}});
}

std::size_t fetch_certificates(Client& client, const std::string& directory) {
  Json serials = client.get("/export/certs")["certs"];
  fs::path certs = fs::path(directory) / "certs";
  std::size_t count = 0;
  for (const Json& serial : serials) {
    std::string name = serial;
    if (!is_serial(name)) throw Fault("station.answer");
    client.download("/export/certs/" + percent_encoded(name), (certs / (name + ".pem")).string());
    if (++count % 100 == 0) std::cerr << count << " of " << serials.size() << " certificates\n";
  }
  return count;
}

// What the station signs with, and how trust came to it.
void fetch_signers(Client& client, const std::string& directory) {
  client.download("/export/checkpoint.vkey", directory + "/checkpoint.vkey");
  client.download("/export/ca-chain", directory + "/ca-chain.pem");
  Json handovers = client.get("/export/handovers");
  fs::remove(directory + "/handovers.json");
  if (!handovers.empty()) write_text(directory + "/handovers.json", handovers.dump(1) + "\n");
}

std::string read_earlier(const std::string& file) {
  std::string note = read_text(file, kMaxNote);
  if (!read_checkpoint(note))
    throw Fault("file.read", {{"file", file}, {"reason", "it is no checkpoint"}});
  return note;
}

// Of a station that has what the caller holds from before, if anything.
std::string fetch_checkpoint(Client& client, const ExportWords& words) {
  std::string query;
  if (words.nonce) query += "&nonce=" + percent_encoded(*words.nonce);
  if (words.earlier) query += "&earlier=" + percent_encoded(read_earlier(*words.earlier));
  if (!query.empty()) query.front() = '?';
  return client.text("/export/checkpoint" + query);
}

// All the rest fits the journal when the journal did not grow while it was fetched.
std::string fetch_fitting(Client& client, const std::string& directory, std::string note) {
  for (int i = 0; i < kTries; ++i) {
    std::cerr << "units and certificates\n";
    fetch_signers(client, directory);
    client.download("/export/units.csv", directory + "/units.csv");
    std::size_t count = fetch_certificates(client, directory);
    std::string after = client.text("/export/checkpoint");
    if (size_of(after) == size_of(note)) {
      std::cout << "certificates: " << count << "\n";
      return note;
    }
    note = after;
    std::cerr << "units have moved on meanwhile: once more\n";
  }
  throw Fault("export.moving");
}

void run_export(Context& context, const ExportWords& words) {
  const std::string& directory = words.directory;
  Client client = context.client();
  // Before anything of an export that may be there already is touched.
  std::string note = fetch_checkpoint(client, words);
  make_directory(directory + "/certs");
  for (const auto& old : fs::directory_iterator(directory + "/certs")) fs::remove(old);
  note = fetch_fitting(client, directory, std::move(note));
  std::cerr << "journal\n";
  client.download("/export/journal?until=" + size_of(note), directory + "/journal.jsonl");
  client.download("/export/denied.crl?until=" + size_of(note), directory + "/denied.crl");
  write_text(directory + "/checkpoint", note);
  std::cout << "entries: " << size_of(note) << "\nexport: " << directory << "\n";
}

struct VerifyWords {
  std::string directory, key;
  std::optional<std::string> nonce, earlier;
};

void print_test(const std::string& of, const exports::ChiSquared& test) {
  char line[160];
  std::snprintf(line, sizeof line, "  %-13s chi-squared %8.2f, df %d, critical %.2f: %s\n",
                of.c_str(), test.statistic, test.df, test.critical,
                !test.judged  ? "not judged"
                : test.even() ? "even"
                              : "NOT EVEN");
  std::cout << line;
}

void print_symbols(const exports::SymbolReport& report) {
  std::cout << "symbols of " << report.name << " in lot " << report.lot << ": " << report.minted
            << " minted, ";
  if (!report.published) {
    std::cout << "no counters\n";
    return;
  }
  std::cout << report.counted << " counted\n";
  if (report.counted == 0) return;
  std::cout << "  drawn again: ";
  for (std::size_t i = 0; i < report.redraws.size(); ++i)
    std::cout << (i > 0 ? ", " : "") << symbols::kRedrawReasons.at(i) << " "
              << report.redraws.at(i);
  std::cout << "\n";
  print_test("all positions", report.all);
  for (std::size_t i = 0; i < report.positions.size(); ++i)
    print_test("position " + std::to_string(i + 1), report.positions[i]);
}

int run_verify(const VerifyWords& words) {
  exports::VerifyOptions options;
  options.nonce = words.nonce;
  if (words.earlier) options.earlier_checkpoint = read_text(*words.earlier);
  std::string key = read_text(words.key);
  exports::VerifyReport report = exports::verify_export(words.directory, key, options);
  for (const std::string& finding : report.findings) std::cout << "WRONG " << finding << "\n";
  for (const exports::SymbolReport& symbols : report.symbols) print_symbols(symbols);
  std::cout << "entries: " << report.entries << " (" << report.checkpoint_size
            << " under the checkpoint)\nfingerprints: " << report.fingerprints
            << "\nunits: " << report.units << ", " << report.passed
            << " passed\ncertificates: " << report.certificates
            << "\nanchor: " << (report.anchor.empty() ? "none" : report.anchor) << "\n";
  if (report.recoveries > 0)
    std::cout << "recovered from an older ledger: " << report.recoveries << " times\n";
  if (report.keyed > 0)
    std::cout << "units whose password was derived under a token key: " << report.keyed << "\n";
  std::cout << (report.demo ? "This is a DEMO station's export.\n" : "")
            << (report.ok() ? "verified\n" : "NOT VERIFIED\n");
  return report.ok() ? 0 : 1;
}

// A word that is given empty is a wrong one, not nothing to compare with, as it would be in an
// option of type optional.
void add_word(CLI::App& command, const std::string& name, std::optional<std::string>& word,
              const std::string& help) {
  auto take = [&word](const std::string& given) { word = given; };
  command.add_option_function<std::string>(name, take, help);
}

void add_earlier(CLI::App& command, std::optional<std::string>& file) {
  add_word(command, "--earlier", file, "a checkpoint that you hold from before");
}

}  // namespace

void add_export_commands(CLI::App& app, Context& context) {
  auto asked = std::make_shared<ExportWords>();
  auto* command = app.add_subcommand(
      "export", "write journal, signed checkpoint, units, certificates and denial list into DIR");
  command->add_option("DIR", asked->directory)->required();
  add_earlier(*command, asked->earlier);
  add_word(*command, "--nonce", asked->nonce,
           "16 to 64 hexadecimal digits of your own: the checkpoint covers them, so nothing before "
           "can have been cut off");
  command->callback([asked, &context] { run_export(context, *asked); });

  auto words = std::make_shared<VerifyWords>();
  auto* verify = app.add_subcommand("verify", "prove an export, offline, on any machine");
  verify->add_option("DIR", words->directory)->required();
  verify->add_option("--key", words->key, "the station's checkpoint.vkey, from whom you trust")
      ->required();
  add_earlier(*verify, words->earlier);
  add_word(*verify, "--nonce", words->nonce, "the nonce that you had exported with");
  verify->callback([words, &context] { context.exit_code = run_verify(*words); });
}

}  // namespace mintmark
