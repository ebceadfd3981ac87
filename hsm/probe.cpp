#include "hsm/probe.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "hsm/module.hpp"
#include "hsm/rv.hpp"

namespace mintmark::pkcs11 {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* kTrial = "--try-pkcs11-module";
constexpr int kReport = 3;  // the trial's end of a pipe
// A network HSM may take seconds for its first answer.
constexpr milliseconds kPatience{20000};

std::string& own_program() {
  static auto& one = *new std::string;
  return one;
}

// In the trial. One line before each call, and a last one that begins with what came of it.

void report_line(const std::string& line) {
  std::string out = line + "\n";
  if (write(kReport, out.data(), out.size()) < 0) _exit(2);
}

void report_and_exit(const std::string& line) {
  report_line(line);
  _exit(0);
}

void must_return_ok(const char* call, CK_RV rv) {
  if (rv != CKR_OK) report_and_exit("rv " + std::to_string(rv) + " " + call);
}

[[noreturn]] void run_trial(const char* path, char* parameters) {
  fcntl(kReport, F_SETFD, FD_CLOEXEC);
  report_line("dlopen");
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) report_and_exit(std::string("no ") + dlerror());
  report_line("C_GetFunctionList");
  auto get_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* api = nullptr;
  if (get_list == nullptr || get_list(&api) != CKR_OK || api == nullptr)
    report_and_exit("no it has no C_GetFunctionList");
  report_line("C_Initialize");
  InitializeArgs args(parameters);
  must_return_ok("C_Initialize", api->C_Initialize(&args.standard));
  report_line("C_GetInfo");
  CK_INFO info{};
  must_return_ok("C_GetInfo", api->C_GetInfo(&info));
  report_line("ok");
  api->C_Finalize(nullptr);  // what becomes of it is of no interest any more
  _exit(0);
}

// Where the trial is seen from.

class Trial {
 public:
  Trial(const std::string& program, const std::string& path, const std::string& parameters);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  // Its next line; empty when it has ended, or at `end`.
  std::string next_line(steady_clock::time_point end);
  // How it ended: the status of waitpid; nullopt if it still runs at `end`.
  std::optional<int> wait_until(steady_clock::time_point end);

 private:
  pid_t pid_ = -1;
  int report_ = -1;
  std::string read_;
};

class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

Trial::Trial(const std::string& program, const std::string& path, const std::string& parameters) {
  std::array<int, 2> pipe{};
  if (pipe2(pipe.data(), O_CLOEXEC) != 0)
    throw Fault("token.module", {{"path", path}}, std::strerror(errno));
  SpawnActions actions;
  for (int fd : {0, 1, 2})
    posix_spawn_file_actions_addopen(actions.get(), fd, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(actions.get(), pipe[1], kReport);
  std::string name = program, option = kTrial, of = path, with = parameters;
  std::array<char*, 5> argv = {name.data(), option.data(), of.data(), with.data(), nullptr};
  int error = posix_spawn(&pid_, program.c_str(), actions.get(), nullptr, argv.data(), environ);
  close(pipe[1]);
  report_ = pipe[0];
  if (error == 0) return;
  close(report_);
  throw Fault("token.module", {{"path", path}},
              "it cannot be tried: " + std::string(std::strerror(error)));
}

Trial::~Trial() {
  close(report_);
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

int left_until(steady_clock::time_point end) {
  auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now()).count();
  return static_cast<int>(std::max<long>(left, 0));
}

std::string Trial::next_line(steady_clock::time_point end) {
  for (;;) {
    auto newline = read_.find('\n');
    if (newline != std::string::npos) {
      std::string line = read_.substr(0, newline);
      read_.erase(0, newline + 1);
      return line;
    }
    pollfd wanted{report_, POLLIN, 0};
    std::array<char, 512> some{};
    int ready = poll(&wanted, 1, left_until(end));
    if (ready < 0 && errno == EINTR) continue;
    ssize_t size = ready > 0 ? read(report_, some.data(), some.size()) : 0;
    if (size <= 0) return "";
    read_.append(some.data(), static_cast<std::size_t>(size));
  }
}

std::optional<int> Trial::wait_until(steady_clock::time_point end) {
  for (;;) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return status;
    }
    if (left_until(end) == 0) return std::nullopt;
    poll(nullptr, 0, 2);
  }
}

// "rv <number> <call>"
CallFault returned(const std::string& line) {
  CK_RV rv = CKR_GENERAL_ERROR;
  auto [end, error] = std::from_chars(line.data() + 3, line.data() + line.size(), rv);
  bool whole = error == std::errc() && end < line.data() + line.size();
  return {whole ? std::string(end + 1, line.data() + line.size()) : "C_Initialize", rv};
}

std::string how_it_ended(int status) {
  if (!WIFSIGNALED(status)) return "exit status " + std::to_string(WEXITSTATUS(status));
  const char* name = sigabbrev_np(WTERMSIG(status));
  return name != nullptr ? "SIG" + std::string(name) : std::to_string(WTERMSIG(status));
}

}  // namespace

void offer_module_trial(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], kTrial) == 0) run_trial(argv[2], argv[3]);
  own_program() = "/proc/self/exe";
}

void try_module(const std::string& program, const std::string& path, const std::string& parameters,
                milliseconds patience) {
  auto end = steady_clock::now() + patience;
  Trial trial(program, path, parameters);
  std::string call = "dlopen";
  for (;;) {
    std::string line = trial.next_line(end);
    if (line.empty()) break;
    if (line.starts_with("no ")) throw Fault("token.module", {{"path", path}}, line.substr(3));
    if (line.starts_with("rv ")) throw returned(line);
    if (line == "ok") {
      trial.wait_until(steady_clock::now() + milliseconds(500));
      return;
    }
    call = line;
  }
  auto status = trial.wait_until(end);
  if (!status)
    throw Fault("token.module_hung",
                {{"path", path},
                 {"call", call},
                 {"seconds", std::to_string((patience.count() + 999) / 1000)}});
  throw Fault("token.module_crashed",
              {{"path", path}, {"call", call}, {"how", how_it_ended(*status)}});
}

void try_module(const std::string& path, const std::string& parameters) {
  if (!own_program().empty()) try_module(own_program(), path, parameters, kPatience);
}

}  // namespace mintmark::pkcs11
