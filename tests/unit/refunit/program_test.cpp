// mintmark-unit itself, on a real pseudo-terminal.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

const std::string kProgram = std::string(MINTMARK_BUILD) + "/mintmark-unit";

// One mintmark-unit process and, when wanted, the station's side of its terminal.
class Program {
 public:
  Program(const Folder& folder, std::vector<std::string> more = {}) : folder_(folder) {
    arguments_ = {kProgram, "--flash", folder / "flash", "--link", link()};
    arguments_.insert(arguments_.end(), more.begin(), more.end());
    start();
  }
  ~Program() {
    hang_up();
    if (child_ > 0) stop(SIGKILL);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::string link() const { return folder_ / "slot-1"; }

  void start() {
    child_ = fork();
    if (child_ == 0) {
      int err = open((folder_ / "stderr").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(err, 2);
      std::vector<char*> argv;
      argv.reserve(arguments_.size() + 1);
      for (std::string& a : arguments_) argv.push_back(a.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }

  int stop(int signal) {
    kill(child_, signal);
    return wait();
  }
  int wait() {
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    return status;
  }

  // The process that takes the link away.
  pid_t guard() const {
    std::string id = std::to_string(child_);
    pid_t out = 0;
    std::ifstream("/proc/" + id + "/task/" + id + "/children") >> out;
    return out;
  }

  bool dial(milliseconds patience = milliseconds(5000)) {
    hang_up();
    for (auto end = Clock::now() + patience; Clock::now() < end;) {
      fd_ = open(link().c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
      if (fd_ >= 0) return true;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }
  void hang_up() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  // Sends and waits for a packet; bytes that are no frame are kept in `noise`.
  std::optional<Bytes> exchange(const Bytes& packet, milliseconds patience) {
    Bytes line = to_line(packet);
    if (write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      return std::nullopt;
    }
    return receive(patience, packet.size() > 6 ? packet[6] : 0);
  }

  // The answer with that sequence number; late answers to earlier packets are passed over.
  std::optional<Bytes> receive(milliseconds patience, std::uint8_t sequence) {
    auto assembler = std::make_unique<mu_assembler>();
    for (auto end = Clock::now() + patience; Clock::now() < end;) {
      pollfd p{fd_, POLLIN, 0};
      poll(&p, 1, 5);
      std::uint8_t byte = 0;
      while (read(fd_, &byte, 1) == 1) {
        received += static_cast<char>(byte);
        mu_span answer{};
        if (mu_assemble(assembler.get(), byte, &answer) && answer.size > 6 &&
            answer.data[6] == sequence) {
          return Bytes(answer.data, answer.data + answer.size);
        }
      }
      if (p.revents & POLLHUP) return std::nullopt;
    }
    return std::nullopt;
  }

  // Asks again until there is an answer.
  Exchange patient(milliseconds each = milliseconds(1500), int times = 8) {
    return [this, each, times](const Bytes& packet) -> std::optional<Bytes> {
      for (int i = 0; i < times; i++) {
        if (fd_ < 0 && !dial()) return std::nullopt;
        if (auto answer = exchange(packet, each)) return answer;
        pollfd p{fd_, 0, 0};
        poll(&p, 1, 0);
        if (p.revents & POLLHUP) hang_up();
      }
      return std::nullopt;
    };
  }

  std::string said() const {
    std::ifstream in(folder_ / "stderr");
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }

  int fd_ = -1;
  std::string received;

 private:
  const Folder& folder_;
  std::vector<std::string> arguments_;
  pid_t child_ = -1;
};

bool exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

template <class Condition>
bool soon(Condition condition) {
  for (auto end = Clock::now() + milliseconds(5000); Clock::now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

// identify until the boot id is another one.
json after_restart(Station& station, const json& bid) {
  json said;
  for (int i = 0; i < 200; i++) {
    said = station.identify();
    if (said["bid"] != bid) break;
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_NE(said["bid"], bid);
  return said;
}

void whole_way(Program& program, milliseconds each = milliseconds(1500)) {
  ASSERT_TRUE(program.dial());
  Station station(program.patient(each));
  json said = station.identify();
  station.enrol();
  ASSERT_EQ(station.open_identity(), 0U);
  ASSERT_EQ(station.inject("K7QM2XRD9HVTWN4C"), 0U);
  ASSERT_TRUE(station.request(2, 0, 5, json::object()));
  said = after_restart(station, said["bid"]);
  ASSERT_EQ(station.open_identity(), 0U);
  EXPECT_TRUE(station.proves("K7QM2XRD9HVTWN4C"));
  EXPECT_TRUE(station.lets_in("K7QM2XRD9HVTWN4C"));
  EXPECT_FALSE(station.lets_in("ZZZZ2XRD9HVTWN4C"));
  EXPECT_EQ(station.rc({{"op", "lock"}}), 0U);
  // The answer may be lost on a bad line, and a restart forgets it: what follows shows that it was
  // done.
  station.op({{"op", "factory-reset"}});
  said = after_restart(station, said["bid"]);
  EXPECT_EQ(said["locked"], true);
  EXPECT_EQ(said["debug"], false);
  ASSERT_EQ(station.open_identity(), 0U);
  EXPECT_EQ(station.spki, station.enrolled_spki);
  EXPECT_EQ(station.inject("again"), 3U);
}

TEST(Program, WholeWay) {
  Folder folder;
  Program program(folder);
  whole_way(program);
  int status = program.stop(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_FALSE(exists(folder / "slot-1"));
  EXPECT_NE(program.said().find("bytes in "), std::string::npos) << program.said();
  EXPECT_NE(program.said().find("declared work 0 ms"), std::string::npos) << program.said();
}

TEST(Program, WholeWayWithNoise) {
  Folder folder;
  Program program(folder, {"--console-noise"});
  whole_way(program);
  EXPECT_NE(program.received.find("<inf> *** Booting"), std::string::npos);
  EXPECT_EQ(program.received.find("K7QM"), std::string::npos);
}

TEST(Program, WholeWayAppearingAndVanishing) {
  Folder folder;
  Program program(folder, {"--vanish", "--boot-ms", "100"});
  whole_way(program);
}

TEST(Program, WholeWayOnABadLine) {
  for (const char* words : {"corrupt-frames", "drop-frames", "repeat-answers"}) {
    Folder folder;
    // Seven: a station that asks again gets through answers of up to four frames.
    Program program(folder, {"--misbehave", words, "--every", "7"});
    whole_way(program, milliseconds(250));
  }
}

TEST(Program, VanishTakesTheLinkAway) {
  Folder folder;
  Program program(folder, {"--vanish", "--boot-ms", "400"});
  ASSERT_TRUE(program.dial());
  Station station(program.patient());
  json bid = station.identify()["bid"];
  ASSERT_TRUE(station.request(2, 0, 5, json::object()));
  EXPECT_TRUE(soon([&] { return !exists(folder / "slot-1"); }));
  EXPECT_FALSE(program.receive(milliseconds(50), 0));
  EXPECT_TRUE(soon([&] { return exists(folder / "slot-1"); }));
  program.hang_up();
  after_restart(station, bid);
  program.stop(SIGTERM);
  EXPECT_NE(program.said().find("declared work 1000 ms"), std::string::npos) << program.said();
}

TEST(Program, BootingAnswersNothing) {
  Folder folder;
  Program program(folder, {"--boot-ms", "300"});
  ASSERT_TRUE(program.dial());
  auto begin = Clock::now();
  Station station(program.patient(milliseconds(50), 100));
  station.identify();
  EXPECT_GT(Clock::now() - begin, milliseconds(200));
}

TEST(Program, WorkTakesItsTime) {
  Folder folder;
  Program program(folder, {"--work-ms", "300"});
  ASSERT_TRUE(program.dial());
  Station station(program.patient(milliseconds(3000)));
  ASSERT_EQ(station.open_enrolment(), 0U);
  auto begin = Clock::now();
  ASSERT_EQ(station.rc({{"op", "make-key"}}), 0U);
  EXPECT_GE(Clock::now() - begin, milliseconds(290));
  begin = Clock::now();
  ASSERT_EQ(station.rc({{"op", "make-key"}}), 0U);  // writes nothing
  EXPECT_LT(Clock::now() - begin, milliseconds(250));
  program.stop(SIGTERM);
  EXPECT_NE(program.said().find("declared work 300 ms"), std::string::npos) << program.said();
}

TEST(Program, BaudPacesBothDirections) {
  Folder folder;
  Program program(folder, {"--baud", "9600"});
  ASSERT_TRUE(program.dial());
  Station station(program.patient(milliseconds(5000)));
  std::string text(300, 'x');
  ASSERT_TRUE(station.request(2, 0, 0, {{"d", text}}));
  auto begin = Clock::now();
  ASSERT_TRUE(station.request(2, 0, 0, {{"d", text}}));
  double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  double bytes = 2.0 * static_cast<double>(to_line(station.last_packet).size());
  EXPECT_GE(seconds, bytes * 10 / 9600 * 0.97);
  EXPECT_LE(seconds, bytes * 10 / 9600 * 1.5 + 0.3);
}

TEST(Program, KilledAndStartedAgainItIsTheSameUnit) {
  Folder folder;
  Program program(folder);
  ASSERT_TRUE(program.dial());
  Station station(program.patient());
  json first = station.identify();
  station.enrol();
  ASSERT_EQ(station.open_identity(), 0U);
  ASSERT_EQ(station.inject("K7QM2XRD9HVTWN4C"), 0U);
  program.stop(SIGKILL);
  // A link that stayed would lead to whoever gets that terminal's number next.
  EXPECT_TRUE(soon([&] { return !exists(folder / "slot-1"); }));
  program.hang_up();
  program.start();
  json again;
  ASSERT_TRUE(soon([&] {
    return program.dial() && program.exchange(hex("08000001004d0900a0"), milliseconds(500));
  }));
  again = station.identify();
  EXPECT_EQ(again["hw"], first["hw"]);
  EXPECT_NE(again["bid"], first["bid"]);
  ASSERT_EQ(station.open_identity(), 0U);
  EXPECT_EQ(station.spki, station.enrolled_spki);
  EXPECT_TRUE(station.proves("K7QM2XRD9HVTWN4C"));
}

// A file system gives the number of a link that is gone to the next one.
TEST(Program, ItsGuardComesLateAndLeavesTheNextUnitsLink) {
  Folder folder;
  Program program(folder);
  ASSERT_TRUE(program.dial());
  pid_t guard = program.guard();
  ASSERT_GT(guard, 0);
  ASSERT_EQ(kill(guard, SIGSTOP), 0);
  program.stop(SIGKILL);
  program.hang_up();
  ASSERT_EQ(unlink(program.link().c_str()), 0);
  program.start();
  ASSERT_TRUE(program.dial());
  ASSERT_EQ(kill(guard, SIGCONT), 0);
  ASSERT_TRUE(soon([&] { return kill(guard, 0) != 0; }));
  EXPECT_TRUE(exists(program.link()));
}

TEST(Program, DiesInInjectOnce) {
  Folder folder;
  Program program(folder, {"--misbehave", "die-in-inject"});
  ASSERT_TRUE(program.dial());
  Station station(program.patient(milliseconds(1000), 1));
  station.enrol();
  ASSERT_EQ(station.open_identity(), 0U);
  json answer = station.op_with("inject", {{"name", "admin"}, {"value", bin(Bytes(9, 'x'))}});
  EXPECT_EQ(answer["silence"], true);
  int status = program.wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3);
  EXPECT_TRUE(soon([&] { return !exists(folder / "slot-1"); }));
  program.hang_up();
  program.start();
  Station next(program.patient(milliseconds(300), 20));
  ASSERT_TRUE(soon([&] {
    return program.dial() && program.exchange(hex("08000001004d0900a0"), milliseconds(500));
  }));
  ASSERT_EQ(next.open_identity(), 0U);
  EXPECT_EQ(next.rc({{"op", "prove"}, {"name", "admin"}}), 17U);
  EXPECT_EQ(next.inject("xxxxxxxxx"), 0U);
}

TEST(Program, ATerminalThatWasHeldExclusivelyCanBeOpenedAgain) {
  Folder folder;
  Program program(folder);
  for (int i = 0; i < 5; i++) {
    ASSERT_TRUE(program.dial());
    ASSERT_EQ(ioctl(program.fd_, TIOCEXCL), 0);
    termios mode{};
    ASSERT_EQ(tcgetattr(program.fd_, &mode), 0);
    EXPECT_EQ(mode.c_lflag & (ECHO | ICANON), 0U);
    Station station(program.patient());
    EXPECT_EQ(station.identify()["v"], 1);
    program.hang_up();
  }
}

TEST(Program, BadLines) {
  for (const char* words : {"corrupt-always", "garbage", "slow"}) {
    Folder folder;
    Program program(folder, {"--misbehave", words});
    ASSERT_TRUE(program.dial());
    EXPECT_FALSE(program.exchange(hex("08000001004d0900a0"), milliseconds(300))) << words;
  }
  Folder folder;
  Program program(folder, {"--misbehave", "slow", "--slow-ms", "300"});
  ASSERT_TRUE(program.dial());
  auto begin = Clock::now();
  EXPECT_TRUE(program.exchange(hex("08000001004d0900a0"), milliseconds(5000))) << program.said();
  EXPECT_GE(Clock::now() - begin, milliseconds(295));
}

int exit_code(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kProgram);
  pid_t child = fork();
  if (child == 0) {
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    dup2(null, 2);
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Program, CommandLineMistakesAreSaid) {
  Folder folder;
  std::string flash = folder / "flash";
  EXPECT_EQ(exit_code({"--help"}), 0);
  EXPECT_EQ(exit_code({}), 2);
  EXPECT_EQ(exit_code({"--flash", flash, "--nonsense"}), 2);
  EXPECT_EQ(exit_code({"--flash", flash, "--misbehave", "dance"}), 2);
  EXPECT_EQ(exit_code({"--flash", flash, "--hw-id", "0"}), 2);
  EXPECT_EQ(exit_code({"--flash", flash, "--hw-id", std::string(66, '0')}), 2);
  EXPECT_EQ(exit_code({"--flash", flash, "--baud", "fast"}), 2);
  EXPECT_EQ(exit_code({"--flash", flash, "--reset-policy", "x"}), 2);
  EXPECT_EQ(exit_code({"--flash", flash, "--every", "0"}), 2);
  std::ofstream(flash) << "not a flash file";
  EXPECT_EQ(exit_code({"--flash", flash}), 1);
}

}  // namespace
}  // namespace bench
