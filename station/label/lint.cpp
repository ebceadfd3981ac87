#include "station/label/lint.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "station/words/fault.hpp"

namespace mintmark {

namespace {

constexpr std::size_t kMaxTemplate = std::size_t{64} * 1024;
constexpr int kMaxNumber = 32000;  // dots: the largest position a printer takes

enum class Where { text, text_or_symbol, text_or_qr, qr };
struct Name {
  std::string_view name;
  Where where;
  bool secret = false;
};
constexpr Name kNames[] = {
    {"serial", Where::text_or_symbol},
    {"control", Where::text_or_symbol},
    {"link", Where::text_or_qr},
    {"model", Where::text},
    {"contact", Where::text},
    {"support_until", Where::text},
    {"mac", Where::text},
    {"product", Where::text},
    {"wifi_ssid", Where::text},
    {"dpp_uri", Where::qr},
    {"password", Where::text, true},
    {"wifi_key", Where::text, true},
    {"wifi_qr", Where::qr, true},
    {"matter_qr", Where::qr, true},
    {"matter_manual", Where::text, true},
};

const Name* name_called(std::string_view name) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const Name& n) { return n.name == name; });
  return found == std::end(kNames) ? nullptr : found;
}

// Argument forms, one letter an argument: n number, o orientation (N R I B) or nothing, w word of
// one letter (Y N L R C J B W) or nothing; what is behind `;` may be left out. An upper-case form
// that starts with '=' is exact.
struct Known {
  std::string_view code;
  std::string_view form;
};
constexpr Known kKnown[] = {
    {"XA", "="},    {"XZ", "="},       {"CI", "=28"},    {"PQ", "=1"},     {"PW", "n"},
    {"LL", "n"},    {"LH", "nn"},      {"FO", "nn;n"},   {"FT", "nn;n"},   {"FB", "nnnw;n"},
    {"FR", "="},    {"FH", "="},       {"FS", "="},      {"A0", "onn"},    {"BY", "nnn"},
    {"BQ", "onn"},  {"BX", "onn;nnn"}, {"BC", "on;www"}, {"GB", "nnn;wn"}, {"GC", "nn;w"},
    {"FD", "data"}, {"FX", "text"},
};

[[noreturn]] void refuse_line(int line, const std::string& reason) {
  throw Fault("template.invalid", {{"line", std::to_string(line)}, {"reason", reason}});
}

bool is_number(std::string_view text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 &&
         value <= kMaxNumber;
}

bool fits(std::string_view argument, char kind) {
  if (kind == 'n') return is_number(argument);
  std::string_view letters = kind == 'o' ? "NRIB" : "YNLRCJBW";
  return argument.empty() || (argument.size() == 1 && letters.find(argument[0]) != letters.npos);
}

std::vector<std::string_view> split(std::string_view args) {
  std::vector<std::string_view> out;
  for (;;) {
    std::size_t comma = args.find(',');
    out.push_back(args.substr(0, comma));
    if (comma == args.npos) return out;
    args.remove_prefix(comma + 1);
  }
}

bool matches(std::string_view args, std::string_view form) {
  if (form == "text" || form == "data") return true;
  if (form.starts_with('=')) return args == form.substr(1);
  std::size_t needed = std::min(form.find(';'), form.size());
  std::string kinds(form);
  std::erase(kinds, ';');
  auto arguments = split(args);
  if (arguments.size() < needed || arguments.size() > kinds.size()) return false;
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (!fits(arguments[i], kinds[i])) return false;
  return true;
}

bool is_symbol(std::string_view code) { return code == "BQ" || code == "BX" || code == "BC"; }

class Lint {
 public:
  explicit Lint(std::string_view zpl) : zpl_(zpl) {}

  std::vector<Placeholder> run() {
    check_bytes();
    auto commands = zpl_commands(zpl_);
    if (!commands) refuse_line(1, "text before the first command, or a caret without one");
    check_frame(*commands);
    for (const ZplCommand& command : *commands) {
      check_known(command);
      step(command);
      last_ = command;
    }
    if (!control_in_symbol_) refuse_line(last_.line, "no symbol holds {{control}}");
    return std::move(found_);
  }

 private:
  void check_bytes() const {
    if (zpl_.size() > kMaxTemplate) refuse_line(1, "longer than 64 KiB");
    int line = 1;
    for (char c : zpl_) {
      if (c == '\n') ++line;
      if (c == '~') refuse_line(line, "a ~ command");
      bool allowed = (c >= ' ' && c < 0x7f) || c == '\n' || c == '\r';
      if (!allowed) refuse_line(line, "a byte that is not printable ASCII: write it as ^FH escape");
    }
  }

  static void check_frame(const std::vector<ZplCommand>& commands) {
    auto count = [&](std::string_view code) {
      return std::count_if(commands.begin(), commands.end(),
                           [&](const ZplCommand& c) { return c.code == code; });
    };
    if (commands.empty() || commands.front().code != "XA")
      refuse_line(1, "does not start with ^XA");
    if (commands.back().code != "XZ") refuse_line(commands.back().line, "does not end with ^XZ");
    if (count("XA") != 1 || count("XZ") != 1) refuse_line(1, "more than one ^XA or ^XZ");
  }

  static void check_known(const ZplCommand& command) {
    const auto* known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                     [&](const Known& k) { return k.code == command.code; });
    std::string name = "^" + std::string(command.code);
    if (known == std::end(kKnown)) refuse_line(command.line, "unknown command " + name);
    if (!matches(command.args, known->form))
      refuse_line(command.line, "wrong arguments of " + name);
  }

  // The order inside a field, one command at a time.
  void step(const ZplCommand& command) {
    std::string_view code = command.code;
    if (code == "FO" || code == "FT") return open(command);
    if (code == "FD") return data(command);
    if (code == "FS") return close(command);
    if (command.args.find("{{") != command.args.npos)
      refuse_line(command.line, "a placeholder outside ^FD");
    if (in_field_ && has_data_) refuse_line(command.line, "a command between ^FD and ^FS");
    if (code == "CI") utf8_ = true;
    if (code == "FH") escaped_ = true;
    if (code == "FB") block_ = true;
    if (code == "A0" || is_symbol(code)) face(command);
    bool whole_label = code == "XZ" || code == "XA" || code == "PQ" || code == "PW" ||
                       code == "LL" || code == "LH" || code == "CI";
    if (whole_label && in_field_) refuse_line(command.line, "a field without ^FS");
  }

  void open(const ZplCommand& command) {
    if (in_field_) refuse_line(command.line, "a field inside a field");
    if (!utf8_) refuse_line(command.line, "a field before ^CI28");
    in_field_ = true;
    escaped_ = block_ = has_data_ = false;
    face_ = {};
  }

  void face(const ZplCommand& command) {
    if (!in_field_ || !face_.empty())
      refuse_line(command.line, "a field has one font or one symbol, behind ^FO");
    bool fresh_bar = last_.code == "BY" && last_.args == "2,3,10";
    if (command.code == "BQ" && !fresh_bar)
      refuse_line(command.line, "^BQ must stand directly behind ^BY2,3,10");
    if (command.code == "BQ") check_qr(command);
    if (command.code == "BX" && split(command.args)[2] != "200")
      refuse_line(command.line, "^BX must be of quality 200");
    face_ = command.code;
  }

  static void check_qr(const ZplCommand& command) {
    auto arguments = split(command.args);
    bool sane = arguments[0] == "N" && arguments[1] == "2" && arguments[2].size() <= 2 &&
                (arguments[2].size() == 1 ? arguments[2] != "0" : arguments[2] == "10");
    if (!sane) refuse_line(command.line, "^BQ must be ^BQN,2, and a magnification of 1 to 10");
  }

  void data(const ZplCommand& command) {
    if (!in_field_ || has_data_) refuse_line(command.line, "^FD must stand once, in a field");
    if (face_.empty()) refuse_line(command.line, "^FD without a font or symbol");
    if (command.args.find('\n') != command.args.npos ||
        command.args.find('\r') != command.args.npos)
      refuse_line(command.line, "a line end inside ^FD");
    if (face_ == "BQ") check_qr_data(command);
    if (escaped_) check_escapes(command);
    has_data_ = true;
    placeholders(command);
  }

  static void check_qr_data(const ZplCommand& command) {
    std::string_view d = command.args;
    bool mode =
        d.size() > 3 && std::string_view("HQML").find(d[0]) < 4 && d[1] == 'A' && d[2] == ',';
    if (!mode) refuse_line(command.line, "QR data must start with HA, QA, MA, or LA, and a comma");
  }

  static void check_escapes(const ZplCommand& command) {
    std::string literal(command.args);
    // Names hold '_' too. What stands for them is no hex digit: a `_` must not eat a value's start.
    for (const Name& known : kNames) {
      std::string whole = "{{" + std::string(known.name) + "}}";
      for (auto at = literal.find(whole); at != literal.npos; at = literal.find(whole))
        literal.replace(at, whole.size(), "-");
    }
    if (!zpl_unescape(literal)) refuse_line(command.line, "a _ that is not an escape of ^FH");
  }

  void placeholders(const ZplCommand& command) {
    std::size_t count = 0, base = static_cast<std::size_t>(command.args.data() - zpl_.data());
    std::string secret;
    for (std::size_t at = 0; (at = command.args.find("{{", at)) != command.args.npos; ++count) {
      std::size_t end = command.args.find("}}", at);
      if (end == command.args.npos) refuse_line(command.line, "a placeholder without }}");
      std::string name(command.args.substr(at + 2, end - at - 2));
      check_name(command, name);
      if (is_secret_field(name)) secret = name;
      found_.push_back({name, base + at, base + end + 2, block_});
      at = end + 2;
    }
    if (!secret.empty() && count > 1)
      refuse_line(command.line, "{{" + secret + "}} must be alone in its field");
  }

  void check_name(const ZplCommand& command, const std::string& name) {
    const Name* known = name_called(name);
    if (known == nullptr) refuse_line(command.line, "unknown placeholder {{" + name + "}}");
    if (!escaped_) refuse_line(command.line, "{{" + name + "}} in a field without ^FH");
    if (!is_symbol(face_)) {
      if (known->where == Where::qr) refuse_line(command.line, "{{" + name + "}} outside of ^BQ");
      return;
    }
    bool qr = face_ == "BQ" && (known->where == Where::qr || known->where == Where::text_or_qr);
    if (!qr && known->where != Where::text_or_symbol)
      refuse_line(command.line, "{{" + name + "}} in a symbol");
    control_in_symbol_ = control_in_symbol_ || name == "control";
  }

  void close(const ZplCommand& command) {
    if (!in_field_) refuse_line(command.line, "^FS without a field");
    in_field_ = false;
  }

  std::string_view zpl_, face_;
  ZplCommand last_;
  std::vector<Placeholder> found_;
  bool utf8_ = false, in_field_ = false, escaped_ = false, block_ = false, has_data_ = false;
  bool control_in_symbol_ = false;
};

}  // namespace

bool is_secret_field(std::string_view name) {
  const Name* known = name_called(name);
  return known != nullptr && known->secret;
}

std::vector<Placeholder> lint_template(std::string_view zpl) { return Lint(zpl).run(); }

}  // namespace mintmark
