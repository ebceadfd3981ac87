#include "station/label/sink.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "station/words/fault.hpp"

using namespace mintmark;
namespace fs = std::filesystem;

namespace {

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    std::string pattern = (fs::temp_directory_path() / "mintmark-spool-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  ~SpoolTest() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  static std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  static void print(SpoolSink& sink, const LabelJob& job, std::string_view zpl) {
    sink.print(job, Secret::copy_of(view(zpl)));
  }
  static std::string refusal(SpoolSink& sink, const LabelJob& job,
                             std::string_view zpl = "^XA^XZ") {
    try {
      print(sink, job, zpl);
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), "label.sink");
      EXPECT_NE(fault.args().at("reason"), "");
      return fault.args().at("reason");
    }
    return "";
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(spool()), {}));
  }
  fs::path spool() const { return root_ / "labels"; }

  fs::path root_;
};

}  // namespace

TEST_F(SpoolTest, NeedsTheExplicitPermission) {
  try {
    SpoolSink sink(spool().string(), false);
    FAIL() << "a spool without permission";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), "label.sink");
    EXPECT_NE(fault.args().at("reason").find("allow_plaintext_spool"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(spool()));
}

TEST_F(SpoolTest, WritesOneFileForTheNewestDeviceLabel) {
  SpoolSink sink(spool().string(), true);
  EXPECT_TRUE(sink.ready().ok());
  print(sink, {"MM-1", "device", 1}, "^XAone^XZ");
  EXPECT_EQ(read(spool() / "MM-1.zpl"), "^XAone^XZ");
  print(sink, {"MM-1", "device", 2}, "^XAtwo, longer^XZ");
  EXPECT_EQ(read(spool() / "MM-1.zpl"), "^XAtwo, longer^XZ");
  print(sink, {"MM-1", "box", 1}, "^XAbox^XZ");
  EXPECT_EQ(read(spool() / "MM-1.box.1.zpl"), "^XAbox^XZ");
  EXPECT_EQ(files(), 2U);
  EXPECT_EQ(read(sink.path_of({"MM-1", "device", 2})), "^XAtwo, longer^XZ");
  EXPECT_EQ(read(sink.path_of({"MM-1", "box", 1})), "^XAbox^XZ");
}

TEST_F(SpoolTest, OnlyTheOwnerReadsIt) {
  umask(0);
  SpoolSink sink(spool().string(), true);
  print(sink, {"MM-1", "device", 1}, "^XA^XZ");
  struct stat info {};
  ASSERT_EQ(stat((spool() / "MM-1.zpl").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  ASSERT_EQ(stat(spool().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

TEST_F(SpoolTest, NamesThatCouldLeaveTheDirectoryAreRefused) {
  SpoolSink sink(spool().string(), true);
  EXPECT_NE(refusal(sink, {"../x", "device", 1}), "");
  EXPECT_NE(refusal(sink, {"", "device", 1}), "");
  EXPECT_NE(refusal(sink, {"A/B", "device", 1}), "");
  EXPECT_NE(refusal(sink, {"lower", "device", 1}), "");
  EXPECT_NE(refusal(sink, {"A", "../box", 1}), "");
  EXPECT_NE(refusal(sink, {"A", "", 1}), "");
  EXPECT_NE(refusal(sink, {"A", "device", 0}), "");
  EXPECT_NE(refusal(sink, {std::string("A\0B", 3), "device", 1}), "");
  EXPECT_NE(refusal(sink, {"A", "device", 1}, ""), "");
  EXPECT_EQ(files(), 0U);
}

TEST_F(SpoolTest, ALinkInTheWayIsReplacedNotFollowed) {
  SpoolSink sink(spool().string(), true);
  std::ofstream(root_ / "precious") << "keep";
  fs::create_symlink(root_ / "precious", spool() / "MM-1.zpl");
  fs::create_symlink(root_ / "precious", spool() / ".MM-1.zpl.part");
  print(sink, {"MM-1", "device", 1}, "^XA^XZ");
  EXPECT_EQ(read(root_ / "precious"), "keep");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(spool() / "MM-1.zpl")));
  EXPECT_EQ(files(), 1U);
}

TEST_F(SpoolTest, AFailedWriteSaysSoAndLeavesNoPart) {
  SpoolSink sink(spool().string(), true);
  fs::create_directories(spool() / "MM-1.zpl" / "in the way");
  EXPECT_NE(refusal(sink, {"MM-1", "device", 1}).find("cannot be written"), std::string::npos);
  EXPECT_EQ(files(), 1U);
}

TEST_F(SpoolTest, AGoneDirectoryIsNotReady) {
  SpoolSink sink(spool().string(), true);
  fs::remove_all(spool());
  EXPECT_EQ(sink.ready().code, "label.sink");
  EXPECT_NE(sink.ready().reason, "");
  EXPECT_NE(refusal(sink, {"MM-1", "device", 1}), "");
}

TEST_F(SpoolTest, ADirectoryThatCannotBeMadeIsRefused) {
  EXPECT_THROW(SpoolSink((root_ / "a" / "b").string(), true), Fault);
  std::ofstream(root_ / "file") << "x";
  EXPECT_THROW(SpoolSink((root_ / "file").string(), true), Fault);
}
