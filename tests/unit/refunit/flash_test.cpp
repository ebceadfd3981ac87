// Storage: a power cut at any instant leaves the old value or the new one.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <thread>

#include "bench.hpp"

namespace bench {
namespace {

struct Flash {
  std::unique_ptr<mu_flash> flash = std::make_unique<mu_flash>();
  bool open = false;
  explicit Flash(const std::string& path) { open = mu_flash_open(flash.get(), path.c_str()); }
  ~Flash() {
    if (open) mu_flash_close(flash.get());
  }
  mu_flash_result set(mu_record record, const Bytes& value) {
    return mu_flash_set(flash.get(), record, span(value));
  }
  std::optional<Bytes> get(mu_record record) {
    Bytes out(MU_FLASH_MAX_RECORD);
    std::size_t size = 0;
    if (mu_flash_get(flash.get(), record, out.data(), out.size(), &size) != MU_FLASH_OK) {
      return std::nullopt;
    }
    out.resize(size);
    return out;
  }
};

Bytes file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Flash, KeepsReplacesErases) {
  Folder folder;
  std::string path = folder / "f";
  {
    Flash f(path);
    ASSERT_TRUE(f.open);
    EXPECT_FALSE(f.get(MU_RECORD_ACCOUNTS));
    EXPECT_EQ(f.set(MU_RECORD_ACCOUNTS, Bytes(700, 1)), MU_FLASH_OK);
    EXPECT_EQ(f.set(MU_RECORD_NEXT_KEY, Bytes(32, 2)), MU_FLASH_OK);
    EXPECT_EQ(f.set(MU_RECORD_ACCOUNTS, Bytes(20, 3)), MU_FLASH_OK);
  }
  {
    Flash f(path);
    ASSERT_TRUE(f.open);
    EXPECT_EQ(f.get(MU_RECORD_ACCOUNTS), Bytes(20, 3));
    EXPECT_EQ(f.get(MU_RECORD_NEXT_KEY), Bytes(32, 2));
    EXPECT_EQ(mu_flash_erase(f.flash.get(), MU_RECORD_NEXT_KEY), MU_FLASH_OK);
    EXPECT_EQ(mu_flash_erase(f.flash.get(), MU_RECORD_NEXT_KEY), MU_FLASH_OK);
  }
  Flash f(path);
  EXPECT_FALSE(f.get(MU_RECORD_NEXT_KEY));
  EXPECT_EQ(f.get(MU_RECORD_ACCOUNTS), Bytes(20, 3));
}

TEST(Flash, Bounds) {
  Folder folder;
  Flash f(folder / "f");
  ASSERT_TRUE(f.open);
  EXPECT_EQ(f.set(MU_RECORD_ACCOUNTS, {}), MU_FLASH_FAILED);
  EXPECT_EQ(f.set(MU_RECORD_ACCOUNTS, Bytes(MU_FLASH_MAX_RECORD + 1)), MU_FLASH_FAILED);
  EXPECT_EQ(f.set(MU_RECORD_ACCOUNTS, Bytes(MU_FLASH_MAX_RECORD)), MU_FLASH_OK);
  std::uint8_t small[8];
  std::size_t size = 0;
  EXPECT_EQ(mu_flash_get(f.flash.get(), MU_RECORD_ACCOUNTS, small, sizeof small, &size),
            MU_FLASH_FAILED);
}

TEST(Flash, OnlyItsOwnerMayRead) {
  Folder folder;
  Flash f(folder / "f");
  ASSERT_EQ(f.set(MU_RECORD_NEXT_KEY, Bytes(32, 2)), MU_FLASH_OK);
  struct stat info {};
  ASSERT_EQ(stat((folder / "f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077U, 0U);
}

TEST(Flash, AHalfWrittenNewFileIsOfNoMatter) {
  Folder folder;
  std::string path = folder / "f";
  { Flash(path).set(MU_RECORD_ACCOUNTS, Bytes(20, 3)); }
  std::ofstream(path + ".new") << "half of";
  Flash f(path);
  ASSERT_TRUE(f.open);
  EXPECT_EQ(f.get(MU_RECORD_ACCOUNTS), Bytes(20, 3));
  EXPECT_EQ(f.set(MU_RECORD_ACCOUNTS, Bytes(20, 4)), MU_FLASH_OK);
  EXPECT_EQ(f.get(MU_RECORD_ACCOUNTS), Bytes(20, 4));
}

TEST(Flash, ADamagedFileIsRefusedAndNotReplaced) {
  Folder folder;
  std::string path = folder / "f";
  { Flash(path).set(MU_RECORD_ACCOUNTS, Bytes(50, 3)); }
  Bytes good = file_bytes(path);
  for (std::size_t i = 0; i <= good.size(); i++) {
    Bytes bad = good;
    if (i < good.size()) {
      bad[i] ^= 1;
    } else {
      bad.pop_back();
    }
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bad.data()), static_cast<std::streamsize>(bad.size()));
    Flash f(path);
    ASSERT_FALSE(f.open) << i;
    EXPECT_EQ(errno, EBADMSG);
  }
}

TEST(Flash, TwoProcessesNeverShareAFile) {
  Folder folder;
  Flash one(folder / "f");
  ASSERT_TRUE(one.open);
  Flash two(folder / "f");
  EXPECT_FALSE(two.open);
}

TEST(Flash, AWriteThatFailedIsNotReadBack) {
  Folder folder;
  std::string path = folder / "f";
  Flash f(path);
  ASSERT_EQ(f.set(MU_RECORD_ACCOUNTS, Bytes(20, 3)), MU_FLASH_OK);
  ASSERT_EQ(mkdir((path + ".new").c_str(), 0700), 0);  // the new file cannot be made
  EXPECT_EQ(f.set(MU_RECORD_ACCOUNTS, Bytes(20, 4)), MU_FLASH_FAILED);
  EXPECT_EQ(f.get(MU_RECORD_ACCOUNTS), Bytes(20, 3));
  EXPECT_EQ(mu_flash_erase(f.flash.get(), MU_RECORD_ACCOUNTS), MU_FLASH_FAILED);
  EXPECT_EQ(f.get(MU_RECORD_ACCOUNTS), Bytes(20, 3));
  ASSERT_EQ(rmdir((path + ".new").c_str()), 0);
  EXPECT_EQ(f.set(MU_RECORD_ACCOUNTS, Bytes(20, 5)), MU_FLASH_OK);
}

// A child writes 1, 2, 3 … and says each number after it was acknowledged, until it is killed. What
// is found then is the last that was said, or the one after it.
TEST(Flash, KilledAtAnyInstant) {
  for (int round = 0; round < 25; round++) {
    Folder folder;
    std::string path = folder / "f";
    int said[2];
    ASSERT_EQ(pipe(said), 0);
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Flash f(path);
      for (std::uint32_t n = 1;; n++) {
        Bytes value(400, static_cast<std::uint8_t>(n));
        mu_put_be32(value.data(), n);
        if (f.set(MU_RECORD_ACCOUNTS, value) != MU_FLASH_OK) _exit(1);
        if (write(said[1], &n, sizeof n) != sizeof n) _exit(1);
      }
    }
    close(said[1]);
    std::uint32_t last = 0, n = 0;
    ASSERT_EQ(read(said[0], &n, sizeof n), static_cast<ssize_t>(sizeof n));
    last = n;
    std::this_thread::sleep_for(std::chrono::microseconds(137 * round));
    kill(child, SIGKILL);
    while (read(said[0], &n, sizeof n) == sizeof n) last = n;
    close(said[0]);
    waitpid(child, nullptr, 0);
    Flash f(path);
    ASSERT_TRUE(f.open);
    auto value = f.get(MU_RECORD_ACCOUNTS);
    ASSERT_TRUE(value);
    ASSERT_EQ(value->size(), 400U);
    std::uint32_t found = mu_get_be32(value->data());
    EXPECT_TRUE(found == last || found == last + 1) << found << " after " << last;
    EXPECT_EQ(value->back(), static_cast<std::uint8_t>(found));
  }
}

TEST(Store, AFailedWriteIsSaidAndChangesNothing) {
  Unit unit;
  Station station(unit.exchanger());
  station.enrol();
  ASSERT_EQ(station.open_identity(), 0U);
  ASSERT_EQ(station.inject("the first one"), 0U);
  std::string blocker = unit.folder / "flash.new";
  ASSERT_EQ(mkdir(blocker.c_str(), 0700), 0);
  EXPECT_EQ(station.inject("another one"), 12U);
  EXPECT_EQ(station.rc({{"op", "lock"}}), 12U);
  EXPECT_EQ(station.login("the first one")["rc"], 12);
  EXPECT_EQ(station.op_with("marker", {{"set", bin(Bytes(16))}})["rc"], 12);
  EXPECT_EQ(station.op_with("run-nonce", {{"set", bin(Bytes(16))}})["rc"], 12);
  EXPECT_EQ(station.identify()["locked"], false);
  EXPECT_TRUE(station.proves("the first one"));
  ASSERT_EQ(rmdir(blocker.c_str()), 0);
  EXPECT_TRUE(station.lets_in("the first one"));
}

// The power goes between storing the certificate and forgetting that its key was new.
TEST(Store, AKeyThatBecameTheIdentityIsRetiredAtTheNextStart) {
  Unit unit;
  Station station(unit.exchanger());
  station.enrol();
  Bytes key(MU_MAX_STORED_KEY);
  key.resize(mu_key_write(&unit.unit->store.key, key.data()));
  ASSERT_EQ(mu_flash_set(unit.flash.get(), MU_RECORD_NEXT_KEY, span(key)), MU_FLASH_OK);
  unit.restart();
  EXPECT_FALSE(unit.unit->store.has_next_key);
  EXPECT_EQ(station.open_enrolment(), 6U);
  EXPECT_EQ(station.open_identity(), 0U);
  EXPECT_EQ(station.spki, station.enrolled_spki);
}

TEST(Store, NonsenseInARecordStopsTheUnit) {
  for (mu_record record : {MU_RECORD_NEXT_KEY, MU_RECORD_IDENTITY, MU_RECORD_PROVISIONING,
                           MU_RECORD_ACCOUNTS, MU_RECORD_FAILURES}) {
    Unit unit;
    ASSERT_EQ(mu_flash_set(unit.flash.get(), record, span(Bytes(21, 0xee))), MU_FLASH_OK);
    mu_unit other{};
    mu_host host = unit.unit->host;
    EXPECT_FALSE(mu_unit_start(&other, &unit.config, &host, unit.flash.get())) << record;
  }
}

}  // namespace
}  // namespace bench
