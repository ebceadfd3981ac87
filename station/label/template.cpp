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

bool contains(View hay, const Secret& needle) {
  return std::search(hay.begin(), hay.end(), needle.view().begin(), needle.view().end()) !=
         hay.end();
}

void check_secrets_stay_alone(const Template::Fields& fields, const Template::Secrets& secrets) {
  for (const auto& [secret_name, secret] : secrets) {
    Secret needle = canonical(secret.view());
    if (needle.empty()) refuse("the secret " + secret_name + " is empty");
    for (const auto& [name, value] : fields) {
      Secret hay = canonical(view(value));
      if (contains(hay.view(), needle))
        refuse(std::string("the field ").append(name).append(" contains ").append(secret_name));
    }
  }
}

View value_of(const std::string& name, const Template::Fields& fields,
              const Template::Secrets& secrets) {
  if (is_secret_field(name)) {
    auto secret = secrets.find(name);
    if (secret == secrets.end())
      refuse("the template asks for " + name + " and this unit has none");
    if (secret->second.size() > kMaxValue) refuse("the field " + name + " is too long");
    return secret->second.view();
  }
  auto it = fields.find(name);
  if (it == fields.end() || it->second.empty()) refuse("no value for the field " + name);
  if (it->second.size() > kMaxValue) refuse("the field " + name + " is too long");
  return view(it->second);
}

}  // namespace

Secret Template::render(const Fields& fields, const Secrets& secrets) const {
  for (const auto& [name, value] : fields)
    if (is_secret_field(name)) refuse(name + " outside locked memory");
  check_secrets_stay_alone(fields, secrets);
  auto write = [&](Writer& writer) {
    std::size_t at = 0;
    for (const Placeholder& p : placeholders_) {
      writer.raw(View(bytes_).subspan(at, p.begin - at));
      writer.escaped(value_of(p.name, fields, secrets), p.in_block);
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
