// What two officers do together, at the command line.
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "station/main/commands.hpp"
#include "station/main/files.hpp"

namespace mintmark {

// A token file is one line.
Client Context::client() const {
  std::string token = token_file.empty() ? "" : read_text(token_file, 4096);
  token.erase(std::find_if(token.begin(), token.end(), [](unsigned char c) { return c <= ' '; }),
              token.end());
  return Client(read().listen.socket, std::move(token));
}

// What the second officer is to read somewhere else is not shown to him here.
void print_act(const Json& act) {
  bool hidden = act["compared"].get<bool>() && act["state"] == "proposed";
  std::cout << act["act"].get<std::string>() << " " << act["state"].get<std::string>() << " "
            << act["kind"].get<std::string>() << " "
            << (hidden ? "(a key, compared when confirmed)" : act["subject"].get<std::string>())
            << "\n  " << act["arguments"].dump() << "\n  proposed by "
            << act["proposed_by"].get<std::string>() << ": " << act["reason"].get<std::string>()
            << "\n";
  if (act["confirmed_by"].is_string())
    std::cout << "  confirmed by " << act["confirmed_by"].get<std::string>() << "\n";
  if (act["state"] == "proposed")
    std::cout << "  until " << act["expires_at"].get<std::string>() << "\n";
  if (act["code"].is_string()) std::cout << "  " << act["code"].get<std::string>() << "\n";
  if (!act["result"].empty()) std::cout << "  " << act["result"].dump() << "\n";
}

void propose_act(Context& context, const std::string& kind, const std::string& subject,
                 const Json& arguments, const std::string& reason) {
  Json body = {{"kind", kind}, {"subject", subject}, {"arguments", arguments}, {"reason", reason}};
  Json act = context.client().post("/acts", body);
  print_act(act);
  std::cout << "Another officer confirms it: mintmark act confirm " << act["act"].get<std::string>()
            << (act["compared"].get<bool>() ? " --check VALUE\n" : "\n");
}

static bool is_compared(Client& client, const std::string& id) {
  Json answer = client.get("/acts");
  for (const Json& act : answer["acts"])
    if (act["act"] == id) return act["compared"].get<bool>();
  return false;
}

// A value that was not given is asked for where there is somebody to ask.
static void confirm_act(Context& context, const std::string& id, std::string check) {
  Client client = context.client();
  if (check.empty() && ::isatty(STDIN_FILENO) == 1 && is_compared(client, id)) {
    std::cout << "Check value, as you have read it where the key was made: " << std::flush;
    std::getline(std::cin, check);
  }
  Json body = Json::object();
  if (!check.empty()) body["check"] = check;
  print_act(client.post("/acts/" + percent_encoded(id) + "/confirm", body));
}

void add_act_commands(CLI::App& app, Context& context) {
  auto* act = app.add_subcommand(
      "act", "what takes two officers: one proposes, another confirms, and it is done");
  act->require_subcommand(1);
  auto all = std::make_shared<bool>(false);
  auto* list = act->add_subcommand("list", "those that wait; read one before you confirm it");
  list->add_flag("--all", *all, "what is over, too");
  list->callback([all, &context] {
    Json answer = context.client().get(*all ? "/acts?all=true" : "/acts");
    for (const Json& one : answer["acts"]) print_act(one);
  });
  auto id = std::make_shared<std::string>();
  auto* confirm = act->add_subcommand(
      "confirm",
      "as the second officer: what was proposed is done, now (--token-file says as whom)");
  confirm->add_option("ACT", *id)->required();
  auto check = std::make_shared<std::string>();
  confirm->add_option("--check", *check,
                      "of an act that carries a key: its check value, as you have read it yourself "
                      "where the key was made (asked for on a terminal)");
  confirm->callback([id, check, &context] { confirm_act(context, *id, *check); });
  auto old = std::make_shared<std::string>();
  auto* withdraw = act->add_subcommand("withdraw", "take a proposal back");
  withdraw->add_option("ACT", *old)->required();
  withdraw->callback(
      [old, &context] { context.client().post("/acts/" + percent_encoded(*old) + "/withdraw"); });
}

}  // namespace mintmark
