#include "hsm/module.hpp"

#include <dlfcn.h>

#include <map>
#include <memory>
#include <utility>

#include "hsm/probe.hpp"
#include "hsm/rv.hpp"

namespace mintmark::pkcs11 {

using Guard = std::lock_guard<std::recursive_mutex>;

static std::string last_dl_error() {
  const char* text = dlerror();
  return text != nullptr ? text : "";
}

Module& Module::load(const std::string& path, const std::string& parameters) {
  static std::mutex mutex;
  // Never destroyed: see the header.
  static auto& modules = *new std::map<std::string, std::unique_ptr<Module>>;
  std::lock_guard<std::mutex> guard(mutex);
  auto& module = modules[path];
  if (!module) module.reset(new Module(path, parameters));
  if (module->parameters_ != parameters)
    throw Fault("token.module", {{"path", path}}, "it was initialised with other parameters");
  return *module;
}

Module::Module(std::string path, std::string parameters)
    : path_(std::move(path)), parameters_(std::move(parameters)) {
  try_module(path_, parameters_);
  void* library = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Fault("token.module", {{"path", path_}}, last_dl_error());
  auto get_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  // Section 5.4, C_GetFunctionList: the only symbol that is looked up by name.
  if (get_list == nullptr || get_list(&functions_) != CKR_OK || functions_ == nullptr)
    throw Fault("token.module", {{"path", path_}}, "it has no C_GetFunctionList");
  initialize();
}

InitializeArgs::InitializeArgs(char* parameters) {
  standard.flags = CKF_OS_LOCKING_OK;
  if (*parameters != '\0') standard.pReserved = parameters;
}

// Section 5.4, C_Initialize.
void Module::initialize() {
  InitializeArgs args(parameters_.data());
  CK_RV rv = functions_->C_Initialize(&args.standard);
  // One that fails is ours, too: it is tried again when the token is asked for again.
  ours_ = rv != CKR_CRYPTOKI_ALREADY_INITIALIZED;
  if (rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) must("C_Initialize", rv);
}

// Section 5.4, C_GetInfo.
CK_INFO Module::info() {
  Guard guard(mutex_);
  CK_INFO out{};
  must("C_GetInfo", functions_->C_GetInfo(&out));
  return out;
}

// Section 5.5, C_GetSlotList: the call with a null list also makes the module look for new slots.
std::vector<CK_SLOT_ID> Module::slots_with_token() {
  Guard guard(mutex_);
  CK_ULONG count = 0;
  must("C_GetSlotList", functions_->C_GetSlotList(CK_TRUE, nullptr, &count));
  std::vector<CK_SLOT_ID> out(count);
  must("C_GetSlotList", functions_->C_GetSlotList(CK_TRUE, out.data(), &count));
  out.resize(count);
  return out;
}

// Section 5.5, C_GetTokenInfo.
CK_TOKEN_INFO Module::token_info(CK_SLOT_ID slot) {
  Guard guard(mutex_);
  CK_TOKEN_INFO out{};
  must("C_GetTokenInfo", functions_->C_GetTokenInfo(slot, &out));
  return out;
}

// Section 5.5, C_GetSlotInfo.
CK_SLOT_INFO Module::slot_info(CK_SLOT_ID slot) {
  Guard guard(mutex_);
  CK_SLOT_INFO out{};
  must("C_GetSlotInfo", functions_->C_GetSlotInfo(slot, &out));
  return out;
}

CK_SLOT_ID Module::find(const TokenUri& uri) {
  Guard guard(mutex_);
  std::vector<CK_SLOT_ID> found;
  for (CK_SLOT_ID slot : slots_with_token()) {
    // Not asked: CKF_TOKEN_INITIALIZED, which NSS softoken has only when the user has a PIN.
    if (uri.matches(token_info(slot))) found.push_back(slot);
  }
  if (found.empty()) throw Fault("token.missing", {{"token", uri.name()}});
  if (found.size() > 1) throw Fault("token.uri", {{"reason", "several tokens match; add serial="}});
  return found.front();
}

bool Module::restart() {
  Guard guard(mutex_);
  if (!ours_ || sessions_ > 0) return false;
  // Section 5.4, C_Finalize. What it returns does not matter: the module may be finalised already.
  functions_->C_Finalize(nullptr);
  initialize();
  return true;
}

void Module::session_opens() {
  Guard guard(mutex_);
  ++sessions_;
}

void Module::session_closed() {
  Guard guard(mutex_);
  --sessions_;
}

}  // namespace mintmark::pkcs11
