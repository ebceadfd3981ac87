// What people at the line ask of the daemon.
#include <filesystem>
#include <iostream>

#include "station/main/commands.hpp"
#include "station/main/files.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

namespace {

namespace fs = std::filesystem;

struct OpenLot {
  std::string order, product;
  std::vector<std::string> labels;  // place=FILE
};

// What the order names lies beside it unless told otherwise: one product file in its folder.
std::string find_product(const OpenLot& lot) {
  if (!lot.product.empty()) return lot.product;
  std::string found;
  for (const auto& entry : fs::directory_iterator(fs::absolute(lot.order).parent_path())) {
    if (entry.path().extension() != ".toml") continue;
    if (!found.empty()) throw Fault("lot.which_product", {{"file", lot.order}});
    found = entry.path().string();
  }
  if (found.empty()) throw Fault("lot.which_product", {{"file", lot.order}});
  return found;
}

Json templates_of(const OpenLot& lot) {
  Json out = Json::object();
  for (const std::string& label : lot.labels) {
    std::size_t at = label.find('=');
    if (at == 0 || at == std::string::npos)
      throw CLI::ValidationError("--label", "must be place=FILE, not " + label);
    out[label.substr(0, at)] = base64(view(read_text(label.substr(at + 1))));
  }
  return out;
}

void open_lot(Context& context, const OpenLot& lot) {
  Json body = {{"order", base64(view(read_text(lot.order)))},
               {"signature", read_text(lot.order + ".sig")},
               {"product", base64(view(read_text(find_product(lot))))},
               {"templates", templates_of(lot)}};
  Json made = context.client().post("/lots", body);
  std::cout << "lot: " << made["lot"].get<std::string>()
            << "\nproduct: " << made["product"].get<std::string>()
            << "\nquantity: " << made["quantity"] << "\n";
}

void print_lot(const Json& lot) {
  std::cout << lot["lot"].get<std::string>() << "  " << lot["state"].get<std::string>() << "  "
            << lot["product"].get<std::string>() << "  " << lot["passed"] << " of "
            << lot["quantity"] << " passed, " << lot["open"] << " open, " << lot["other"]
            << " other";
  if (lot["code"].is_string()) std::cout << "  (" << lot["code"].get<std::string>() << ")";
  std::cout << "\n";
}

// A sub-command with one argument that posts to /<path>/<argument>/<act>.
void add_act(CLI::App& parent, Context& context, const std::string& act, const std::string& path,
             const std::string& what, const std::string& help) {
  auto id = std::make_shared<std::string>();
  auto* command = parent.add_subcommand(act, help);
  command->add_option(what, *id)->required();
  command->callback([=, &context] {
    context.client().post("/" + path + "/" + percent_encoded(*id) + "/" + act);
  });
}

void add_lot_commands(CLI::App& app, Context& context) {
  auto* lot = app.add_subcommand("lot", "orders being made");
  lot->require_subcommand(1);
  auto files = std::make_shared<OpenLot>();
  auto* open = lot->add_subcommand("open", "open the lot of a signed order (ORDER and ORDER.sig)");
  open->add_option("ORDER", files->order)->required();
  open->add_option("--product", files->product,
                   "its product file; else the one .toml beside the order");
  open->add_option("--label", files->labels, "place=FILE: a label template; may be repeated");
  open->callback([files, &context] { open_lot(context, *files); });
  add_act(*lot, context, "close", "lots", "ID", "close it; refused while units are under way");
  add_act(*lot, context, "pause", "lots", "ID", "let no more units begin");
  add_act(*lot, context, "resume", "lots", "ID", "let units begin again");
  auto id = std::make_shared<std::string>();
  auto* show = lot->add_subcommand("show", "one lot, or all");
  show->add_option("ID", *id);
  show->callback([id, &context] {
    Json answer = context.client().get(id->empty() ? "/lots" : "/lots/" + percent_encoded(*id));
    if (!id->empty()) std::cout << answer.dump(1) << "\n";
    if (id->empty())
      for (const Json& one : answer["lots"]) print_lot(one);
  });
}

// Every serial, a page at a time.
void list_units(Context& context, const std::string& lot) {
  Client client = context.client();
  std::string after;
  while (true) {
    std::string path = "/units?limit=500&after=" + percent_encoded(after);
    if (!lot.empty()) path += "&lot=" + percent_encoded(lot);
    Json page = client.get(path);
    for (const Json& unit : page["units"])
      std::cout << unit["serial"].get<std::string>() << " " << unit["state"].get<std::string>()
                << " " << unit["hardware"].get<std::string>() << " "
                << (unit["code"].is_string() ? unit["code"].get<std::string>() : "-") << "\n";
    if (!page["next"].is_string()) return;
    after = page["next"].get<std::string>();
  }
}

struct Return {
  std::string kind, unit, reason;
  bool new_key = false;
};

// Each of these is proposed here and done when another officer confirms it.
CLI::App* add_return(CLI::App& unit, Context& context, const std::string& name,
                     const std::string& kind, const std::string& help,
                     const std::shared_ptr<Return>& words) {
  words->kind = kind;
  auto* command = unit.add_subcommand(name, help);
  command->add_option("UNIT", words->unit, "its serial, or its own code <source>:<hex>")
      ->required();
  command->add_option("--reason", words->reason, "for the journal")->required();
  command->callback([words, &context] {
    Json arguments = Json::object();
    if (words->new_key) arguments["new_key"] = true;
    propose_act(context, words->kind, words->unit, arguments, words->reason);
  });
  return command;
}

void add_return_commands(CLI::App& unit, Context& context) {
  add_return(unit, context, "release", "unit.release",
             "two officers: a unit in quarantine may be provisioned once more, with fresh "
             "credentials and, where its certificate was denied, a new key and certificate",
             std::make_shared<Return>());
  auto words = std::make_shared<Return>();
  auto* reopen = add_return(
      unit, context, "reopen", "unit.reopen",
      "two officers: a unit that is not in quarantine (passed, back from the field, or ended in "
      "rework with its lock set) is wiped when it is next seated and provisioned once more: its "
      "old credentials are burnt now, its key and certificate stay",
      words);
  reopen->add_flag("--new-key", words->new_key,
                   "the unit makes a new key, and the old certificate is denied as superseded");
  reopen->alias("rework")->alias("refurb");
  add_return(unit, context, "retire", "unit.retire",
             "two officers: never again. Its credentials are burnt, its certificate is denied, and "
             "its hardware id is refused",
             std::make_shared<Return>());
}

void add_unit_commands(CLI::App& app, Context& context) {
  auto* unit = app.add_subcommand("unit", "units and their records");
  unit->require_subcommand(1);
  auto serial = std::make_shared<std::string>(), lot = std::make_shared<std::string>();
  auto* show = unit->add_subcommand("show", "one unit: runs, labels, certificate");
  show->add_option("SERIAL", *serial)->required();
  show->callback([serial, &context] {
    std::cout << context.client().get("/units/" + percent_encoded(*serial)).dump(1) << "\n";
  });
  auto* list = unit->add_subcommand("list", "every unit, a line each");
  list->add_option("--lot", *lot, "of this lot only");
  list->callback([lot, &context] { list_units(context, *lot); });
  add_return_commands(*unit, context);
}

struct Reasoned {
  std::string what, reason;
};

void add_reasoned_commands(CLI::App& app, Context& context) {
  auto of_run = std::make_shared<Reasoned>(), of_label = std::make_shared<Reasoned>();
  auto* run = app.add_subcommand("run", "the passages of units");
  run->require_subcommand(1);
  auto* abandon =
      run->add_subcommand("abandon", "give up an unfinished run: its secrets are burnt");
  abandon->add_option("RUN", of_run->what)->required();
  abandon->add_option("--reason", of_run->reason)->required();
  abandon->callback([of_run, &context] {
    context.client().post("/runs/" + percent_encoded(of_run->what) + "/abandon",
                          {{"reason", of_run->reason}});
  });
  auto* label = app.add_subcommand("label", "printed labels");
  label->require_subcommand(1);
  auto* spoil =
      label->add_subcommand("void", "a spoiled label that is in your hand: print another");
  spoil->add_option("SYMBOL", of_label->what, "MM1:... as printed")->required();
  spoil->add_option("--reason", of_label->reason)->required();
  spoil->callback([of_label, &context] {
    Json body = {{"symbol", of_label->what}, {"reason", of_label->reason}};
    context.client().post("/labels/void", body);
  });
}

void add_lost_label(CLI::App& app, Context& context) {
  auto words = std::make_shared<Reasoned>();
  auto* lost = app.get_subcommand("label")->add_subcommand(
      "lost", "a label that nobody can find: what it says is burnt, and the unit is in quarantine");
  lost->add_option("SERIAL", words->what)->required();
  lost->add_option("--reason", words->reason)->required();
  lost->callback([words, &context] {
    Json body = {{"serial", words->what}, {"reason", words->reason}};
    context.client().post("/labels/lost", body);
  });
}

void add_scan(CLI::App& app, Context& context) {
  auto unit = std::make_shared<std::string>(), symbol = std::make_shared<std::string>();
  auto* scan = app.add_subcommand("scan", "show that this label is on this unit");
  scan->add_option("UNIT", *unit, "the unit's own code, or SLOT:<name> while it is seated")
      ->required();
  scan->add_option("SYMBOL", *symbol, "the label's control symbol, MM1:...")->required();
  scan->callback([=, &context] {
    Json answer = context.client().post("/scan", {{"unit", *unit}, {"symbol", *symbol}});
    std::cout << answer.dump(1) << "\n";
  });
}

std::string stopped_for(Context& context) {
  Json health = context.client().get("/health");
  if (health["status"] != "stopped") throw Fault("station.not_stopped", {{"code", "-"}});
  return health["reason"].get<std::string>();
}

}  // namespace

void add_line_commands(CLI::App& app, Context& context) {
  add_lot_commands(app, context);
  add_unit_commands(app, context);
  add_reasoned_commands(app, context);
  add_lost_label(app, context);
  add_scan(app, context);
  auto* slot = app.add_subcommand("slot", "positions of the fixture");
  slot->require_subcommand(1);
  add_act(*slot, context, "resume", "slots", "NAME", "let a paused slot work again");
  auto* station = app.add_subcommand("station", "the whole station");
  station->require_subcommand(1);
  auto reason = std::make_shared<std::string>();
  auto* resume =
      station->add_subcommand("resume", "two officers: let a station that stopped issue again");
  resume->add_option("--reason", *reason, "for the journal: what was looked at, what was found")
      ->required();
  resume->callback([reason, &context] {
    propose_act(context, "station.resume", stopped_for(context), Json::object(), *reason);
  });
}

}  // namespace mintmark
