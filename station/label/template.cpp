#include "station/label/template.hpp"

#include <algorithm>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"

namespace mintmark {

static constexpr std::size_t kMaxValue = 512;

Secret group_by_four(const Secret& canonical) {
  std::size_t size = canonical.size();
  Secret out(size == 0 ? 0 : size + (size - 1) / 4);
  auto to = out.mutable_view();
  for (std::size_t i = 0, at = 0; i < size; ++i) {
    if (i > 0 && i % 4 == 0) to[at++] = '-';
    to[at++] = canonical.view()[i];
  }
  return out;
}

Template Template::parse(View bytes) {
  Template out;
  out.placeholders_ = lint_template(text(bytes));
  out.bytes_ = to_bytes(bytes);
  out.digest_ = sha256(bytes);
  return out;
}

bool Template::uses(std::string_view name) const {
  return std::any_of(placeholders_.begin(), placeholders_.end(),
                     [&](const Placeholder& p) { return p.name == name; });
}

namespace {

[[noreturn]] void refuse(const std::string& reason) {
  throw Fault("label.sink", {{"reason", reason}});
}

// Bytes that go into field data and may be secret: counted first, then written in place, so that
// no copy is left in ordinary memory.
class Writer {
 public:
  void raw(View bytes) {
    for (std::uint8_t byte : bytes) put(byte);
  }
  void escaped(View value, bool in_block) {
    for (std::uint8_t byte : value) {
      escape(byte);
      if (in_block && byte == '\\') escape(byte);  // ^FB reads `\&` as a line end, `\\` as one `\`.
    }
  }
  void into(Secret& out) {
    out_ = &out;
    size_ = 0;
  }
  std::size_t size() const { return size_; }

 private:
  void escape(std::uint8_t byte) {
    static constexpr std::string_view kHex = "0123456789ABCDEF";
    if (zpl_plain(byte)) return put(byte);
    put('_');
    put(static_cast<std::uint8_t>(kHex[byte >> 4]));
    put(static_cast<std::uint8_t>(kHex[byte & 15]));
  }
  void put(std::uint8_t byte) {
    if (out_ != nullptr) out_->mutable_view()[size_] = byte;
    ++size_;
  }

  Secret* out_ = nullptr;
  std::size_t size_ = 0;
};

// `bytes` without the separators of a printed password.
Secret canonical(View bytes) {
  Secret out(bytes.size());
  std::size_t size = 0;
  for (std::uint8_t byte : bytes)
    if (byte != '-' && byte != ' ') out.mutable_view()[size++] = byte;
  out.shrink(size);
  return out;
}

void check_password_stays_alone(const Template::Fields& fields, const Secret& password) {
  Secret needle = canonical(password.view());
  if (needle.empty()) refuse("the password is empty");
  for (const auto& [name, value] : fields) {
    Secret hay = canonical(view(value));
    auto found = std::search(hay.view().begin(), hay.view().end(), needle.view().begin(),
                             needle.view().end());
    if (found != hay.view().end()) refuse("the field " + name + " contains the password");
  }
}

View value_of(const std::string& name, const Template::Fields& fields, const Secret* password) {
  if (name == "password") {
    if (password == nullptr) refuse("the template asks for a password and this unit has none");
    return password->view();
  }
  auto it = fields.find(name);
  if (it == fields.end() || it->second.empty()) refuse("no value for the field " + name);
  if (it->second.size() > kMaxValue) refuse("the field " + name + " is too long");
  return view(it->second);
}

}  // namespace

Secret Template::render(const Fields& fields, const Secret* password_grouped) const {
  if (fields.contains("password")) refuse("a password outside locked memory");
  if (password_grouped != nullptr) check_password_stays_alone(fields, *password_grouped);
  auto write = [&](Writer& writer) {
    std::size_t at = 0;
    for (const Placeholder& p : placeholders_) {
      writer.raw(View(bytes_).subspan(at, p.begin - at));
      writer.escaped(value_of(p.name, fields, password_grouped), p.in_block);
      at = p.end;
    }
    writer.raw(View(bytes_).subspan(at));
  };
  Writer writer;
  write(writer);
  Secret out(writer.size());
  writer.into(out);
  write(writer);
  return out;
}

}  // namespace mintmark
