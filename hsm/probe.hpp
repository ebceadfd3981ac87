// A PKCS#11 module is somebody else's code in our process: one that is none, crashes, ends the
// process or hangs in C_Initialize must not take the station with it. So it is loaded and
// initialised in a process of its own first. That process is this same executable, started anew
// (fork alone would copy threads' locks and secrets), and it ends before the module is loaded here.
#pragma once

#include <chrono>
#include <string>

namespace mintmark::pkcs11 {

// The first thing in main. In a process that was started to try a module: tries it and exits.
// In any other: modules will be tried by starting this executable (/proc/self/exe). A program that
// does not call it loads modules untried.
void offer_module_trial(int argc, char** argv);

// dlopen, C_GetFunctionList, C_Initialize and C_GetInfo in another process. Faults: token.module
// (path; the cause says what is missing), token.module_crashed (path, call, how),
// token.module_hung (path, call, seconds), and CallFault with what a call returned.
void try_module(const std::string& path, const std::string& parameters);

// The same, started from `program`, which calls offer_module_trial.
void try_module(const std::string& program, const std::string& path, const std::string& parameters,
                std::chrono::milliseconds patience);

}  // namespace mintmark::pkcs11
