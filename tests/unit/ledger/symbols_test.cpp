// What is published of the symbols of a lot's passwords, and what an auditor sees in it.
#include "station/ledger/symbols.hpp"

#include <algorithm>
#include <random>

#include "station.hpp"
#include "station/export/export.hpp"
#include "station/export/verify.hpp"

namespace mintmark::test {

using exports::chi_squared;
using exports::ChiSquared;

constexpr const char* kAlphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
constexpr std::size_t kWidth = 31, kLength = 16;

// Symbols of a generator without fault: as station/credential/password.hpp takes them, and as one
// does who forgets that 256 is no multiple of 31.
enum class Sampler { sound, biased };

class Symbols {
 public:
  Symbols(unsigned seed, Sampler how) : random_(seed), how_(how) {}
  std::size_t next() {
    unsigned byte = random_() & 0xff;
    while (how_ == Sampler::sound && byte >= 248) byte = random_() & 0xff;
    return byte % kWidth;
  }
  SymbolCounts batch(std::int64_t mints) {
    SymbolCounts out;
    out.name = "admin";
    out.klass = "password";
    out.alphabet = kAlphabet;
    out.length = kLength;
    out.mints = mints;
    out.redraws = {0, 1, 2};
    out.positions.resize(kLength * kWidth);
    out.pairs.resize(kWidth * kWidth);
    for (std::int64_t i = 0; i < mints; ++i) {
      std::size_t before = 0;
      for (std::size_t at = 0; at < kLength; ++at) {
        std::size_t symbol = next();
        ++out.positions[at * kWidth + symbol];
        if (at > 0) ++out.pairs[before * kWidth + symbol];
        before = symbol;
      }
    }
    return out;
  }

 private:
  std::mt19937 random_;
  Sampler how_;
};

ChiSquared pooled(unsigned seed, Sampler how, int symbols) {
  Symbols source(seed, how);
  std::vector<std::int64_t> counts(kWidth);
  for (int i = 0; i < symbols; ++i) ++counts[source.next()];
  return chi_squared(counts, std::vector<double>(kWidth, 1.0 / kWidth), 1e-4);
}

int caught(Sampler how, int symbols) {
  int out = 0;
  for (unsigned seed = 1; seed <= 200; ++seed) {
    ChiSquared test = pooled(seed, how, symbols);
    EXPECT_TRUE(test.judged);
    out += test.even() ? 0 : 1;
  }
  return out;
}

TEST(ChiSquaredTest, HasTheKnownCriticalValues) {
  std::vector<std::int64_t> counts(kWidth, 100);
  std::vector<double> even(kWidth, 1.0 / kWidth);
  for (auto [alpha, critical] : {std::pair(0.05, 43.77), std::pair(1e-3, 59.70),
                                 std::pair(1e-4, 67.63), std::pair(1e-6, 82.04)}) {
    ChiSquared test = chi_squared(counts, even, alpha);
    EXPECT_EQ(test.df, 30);
    EXPECT_NEAR(test.critical, critical, 0.01);
    EXPECT_NEAR(test.statistic, 0, 1e-9);
  }
  EXPECT_FALSE(chi_squared(std::vector<std::int64_t>(kWidth, 4), even, 1e-4).judged);
}

// The power of the test at 10,000, 20,000 and 30,000 symbols: 22, 87 and 99.6 in a hundred.
TEST(ChiSquaredTest, SeesTheBiasOfAByteModulo31) {
  EXPECT_NEAR(caught(Sampler::biased, 10000), 44, 20);
  EXPECT_NEAR(caught(Sampler::biased, 20000), 174, 16);
  EXPECT_GE(caught(Sampler::biased, 30000), 196);
  for (int symbols : {10000, 20000, 30000}) EXPECT_EQ(caught(Sampler::sound, symbols), 0);
}

struct SymbolsTest : testing::Test {
  Station station;
  std::string lot = station.open_lot(5);
  mintmark::Run run;

  void mint(int times) {
    if (run.id.empty()) {
      run = station.begin(lot, "aa01");
      run = station.write([&](Transaction& db) { return runs::admit(db, run); });
    }
    station.write([&](Transaction& db) {
      for (int i = 0; i < times; ++i) {
        runs::next_iv(db, lot);
        run = runs::mint(db, run, Bytes(16), {password()}, 100000);
      }
    });
  }
  std::string add(const SymbolCounts& batch) {
    return fault_of([&] { station.write([&](Transaction& db) { symbols::add(db, lot, batch); }); });
  }
  void close() {
    station.write([&](Transaction& db) {
      if (!run.id.empty())
        runs::end(db, self(), run, Ending::rework, "unit.mints_spent", Fault::Args());
      lots::close(db, alice(), lot);
    });
  }
  std::vector<Json> published(const std::string& type) {
    std::vector<Json> out;
    for (const Json& entry : station.entries())
      if (entry["type"] == type) out.push_back(entry);
    return out;
  }
  // What the verifier says of the journal, after `edit` had its way with each entry.
  std::vector<std::string> findings(const std::function<void(Json&)>& edit = {}) {
    std::vector<std::string> out;
    exports::Symbols symbols(out);
    std::uint64_t seq = 0;
    for (Json entry : station.entries()) {
      if (edit) edit(entry);
      symbols.take(seq++, entry);
    }
    reports = symbols.finish();
    return out;
  }
  std::vector<exports::SymbolReport> reports;
};

TEST_F(SymbolsTest, OfFewerThanAHundredNothingIsWritten) {
  Symbols source(1, Sampler::sound);
  mint(99);
  EXPECT_EQ(add(source.batch(99)), "ledger.failed");
  close();
  EXPECT_EQ(station.read([](Reader& db) { return db.exists("SELECT 1 FROM symbol_count"); }),
            false);
  EXPECT_TRUE(published("lot.symbols").empty());
  EXPECT_TRUE(published("lot.pairs").empty());
  EXPECT_TRUE(findings().empty());
  EXPECT_TRUE(reports.empty());
}

TEST_F(SymbolsTest, NoTwoStatesOfTheLedgerDifferByFewer) {
  Symbols source(1, Sampler::sound);
  EXPECT_EQ(add(source.batch(100)), "");
  EXPECT_EQ(add(source.batch(1)), "ledger.failed");
  EXPECT_EQ(add(source.batch(99)), "ledger.failed");
  EXPECT_EQ(add(source.batch(100)), "");
  EXPECT_NE(station.intrude("UPDATE symbol_count SET mints = mints + 1"), "");
  EXPECT_NE(station.intrude("DELETE FROM symbol_count"), "");
  EXPECT_NE(station.intrude("UPDATE symbol_count SET alphabet = 'AB'"), "");
}

TEST_F(SymbolsTest, WhatACrashLostIsSaidAndNotGuessed) {
  mint(150);
  close();
  auto entries = published("lot.symbols");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0]["minted"], 150);
  EXPECT_EQ(entries[0]["counted"], 0);
  EXPECT_EQ(entries[0]["uncounted"], 150);
  EXPECT_FALSE(entries[0].contains("positions"));
  EXPECT_TRUE(published("lot.pairs").empty());
  EXPECT_TRUE(findings().empty());
}

TEST_F(SymbolsTest, AreTheSumOfTheBatches) {
  Symbols source(1, Sampler::sound);
  SymbolCounts first = source.batch(120), second = source.batch(100);
  mint(230);
  EXPECT_EQ(add(first), "");
  EXPECT_EQ(add(second), "");
  close();
  auto entries = published("lot.symbols");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0]["counted"], 220);
  EXPECT_EQ(entries[0]["uncounted"], 10);
  EXPECT_EQ(entries[0]["redraws"]["run_of_four"], 2);
  EXPECT_EQ(entries[0]["redraws"]["public_string"], 4);
  EXPECT_EQ(entries[0]["positions"][3][7],
            first.positions[3 * kWidth + 7] + second.positions[3 * kWidth + 7]);
  EXPECT_EQ(published("lot.pairs")[0]["pairs"][30][2],
            first.pairs[30 * kWidth + 2] + second.pairs[30 * kWidth + 2]);
  EXPECT_TRUE(findings().empty());
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].positions.size(), kLength);
  EXPECT_TRUE(reports[0].all.judged);
}

TEST_F(SymbolsTest, ThatDoNotFitAreFound) {
  Symbols source(1, Sampler::sound);
  mint(200);
  add(source.batch(200));
  close();
  ASSERT_TRUE(findings().empty());
  auto when = [](const char* type, std::function<void(Json&)> change) {
    return [=](Json& entry) {
      if (entry["type"] == type) change(entry);
    };
  };
  const std::function<void(Json&)> changes[] = {
      when("lot.symbols", [](Json& e) { e["minted"] = 199; }),
      when("lot.symbols", [](Json& e) { e["counted"] = 201; }),
      when("lot.symbols", [](Json& e) { e["counted"] = 0, e["uncounted"] = 200; }),
      when("lot.symbols", [](Json& e) { e["positions"][3][0] = -1; }),
      when("lot.symbols",
           [](Json& e) { e["positions"][3][0] = e["positions"][3][0].get<int>() + 1; }),
      when("lot.symbols", [](Json& e) { e["positions"].erase(0); }),
      when("lot.symbols", [](Json& e) { std::swap(e["positions"][0], e["positions"][1]); }),
      when("lot.symbols", [](Json& e) { e.erase("positions"); }),
      when("lot.symbols", [](Json& e) { e["alphabet"] = 7; }),
      when("lot.symbols", [](Json& e) { e["length"] = 64; }),
      when("lot.pairs", [](Json& e) { std::swap(e["pairs"][0], e["pairs"][1]); }),
      when("lot.pairs", [](Json& e) { e["pairs"] = "none"; }),
      when("lot.pairs", [](Json& e) { e["type"] = "other"; }),
      when("lot.symbols", [](Json& e) { e["type"] = "other"; }),
      when("credential.mint", [](Json& e) { e["credentials"][0]["name"] = "root"; }),
  };
  int tried = 0;
  for (const auto& change : changes) {
    EXPECT_FALSE(findings(change).empty()) << "change " << tried;
    ++tried;
  }
  EXPECT_EQ(tried, 15);
}

// A lot of 1,900 units, as its export shows it to an auditor.
struct LotOf1900 : SymbolsTest, testing::WithParamInterface<Sampler> {
  exports::VerifyReport verify(const std::string& out) {
    station.ledger->checkpoint_now(station.signer(), [&](Reader& db, const Checkpoint& checkpoint) {
      std::string denied = station.ca.denial_list({}, checkpoint.size);
      exports::write(db, station.birth, checkpoint, denied, out);
    });
    std::string key = verifier_key(station.birth.station, station.birth.journal_key);
    return exports::verify_export(out, key);
  }
};

TEST_P(LotOf1900, ShowsABiasedGeneratorInItsExport) {
  Symbols source(5, GetParam());
  mint(1900);
  for (int i = 0; i < 19; ++i) EXPECT_EQ(add(source.batch(100)), "");
  close();
  auto report = verify(station.directory.path("export"));
  bool found = false;
  for (const std::string& finding : report.findings)
    found |= finding.find("the whole of admin in lot " + lot) != std::string::npos;
  EXPECT_EQ(found, GetParam() == Sampler::biased);
  EXPECT_EQ(report.ok(), GetParam() == Sampler::sound);
  EXPECT_EQ(report.symbols.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(SymbolsTest, LotOf1900, testing::Values(Sampler::sound, Sampler::biased));

// Where half of all draws are hexadecimal digits alone, the other symbols are rightly more
// frequent.
TEST_F(SymbolsTest, TheFilterOfHexadecimalDigitsIsAllowedFor) {
  std::mt19937 random(1);
  std::string alphabet = "0123456789ABCDEFG";
  Json positions = Json::array(), pairs = Json::array();
  for (int i = 0; i < 16; ++i) positions.push_back(std::vector<int>(17));
  for (int i = 0; i < 17; ++i) pairs.push_back(std::vector<int>(17));
  for (int taken = 0; taken < 5000;) {
    std::array<std::size_t, 16> password{};
    for (std::size_t& symbol : password) symbol = random() % 17;
    if (*std::max_element(password.begin(), password.end()) != 16) continue;
    ++taken;
    for (std::size_t i = 0; i < 16; ++i) {
      positions[i][password.at(i)] = positions[i][password.at(i)].get<int>() + 1;
      Json* pair = i > 0 ? &pairs[password.at(i - 1)][password.at(i)] : nullptr;
      if (pair != nullptr) *pair = pair->get<int>() + 1;
    }
  }
  std::vector<std::string> out;
  exports::Symbols symbols(out);
  Json credential = {{"name", "admin"}, {"class", "password"}};
  for (int i = 0; i < 5000; ++i)
    symbols.take(0, {{"type", "credential.mint"}, {"lot", "l"}, {"credentials", {credential}}});
  symbols.take(1, {{"type", "lot.symbols"},
                   {"lot", "l"},
                   {"name", "admin"},
                   {"minted", 5000},
                   {"counted", 5000},
                   {"uncounted", 0},
                   {"alphabet", alphabet},
                   {"length", 16},
                   {"positions", positions}});
  symbols.take(2, {{"type", "lot.pairs"}, {"lot", "l"}, {"name", "admin"}, {"pairs", pairs}});
  auto reports_here = symbols.finish();
  EXPECT_TRUE(out.empty()) << out.front();
  EXPECT_TRUE(reports_here.at(0).all.judged);
  EXPECT_GT(positions[0][16].get<int>(), 400) << "evenly spread would be 294";
}

}  // namespace mintmark::test
