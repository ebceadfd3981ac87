#include "bench.hpp"

namespace bench {

namespace {

Bytes frame_list(std::initializer_list<Bytes> fields) {
  Bytes out;
  for (const Bytes& field : fields) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      out.push_back(static_cast<std::uint8_t>(field.size() >> shift));
    }
    out.insert(out.end(), field.begin(), field.end());
  }
  return out;
}

Bytes sha256(const Bytes& data) {
  Bytes out(32);
  mu_span part = span(data);
  EXPECT_TRUE(mu_sha256(&part, 1, out.data()));
  return out;
}

Bytes random(std::size_t size) {
  Bytes out(size);
  EXPECT_TRUE(mu_random(out.data(), size));
  return out;
}

Bytes nonce(std::uint64_t i) {
  Bytes out(12);
  for (int k = 0; k < 8; k++) out[11 - k] = static_cast<std::uint8_t>(i >> (8 * k));
  return out;
}

void collect(void* context, mu_span frame, bool) {
  static_cast<std::vector<Bytes>*>(context)->emplace_back(frame.data, frame.data + frame.size);
}

void append(void* context, mu_span frame, bool) {
  auto* out = static_cast<Bytes*>(context);
  out->insert(out->end(), frame.data, frame.data + frame.size);
}

}  // namespace

Bytes to_line(const Bytes& packet) {
  Bytes out;
  mu_send_packet(span(packet), append, &out);
  return out;
}

unsigned clear_rc(const json& answer, Version version) {
  if (answer.contains("err")) {
    EXPECT_EQ(answer["err"]["group"], 77);
    return answer["err"]["rc"].get<unsigned>();
  }
  if (!answer.contains("rc")) return 0;
  unsigned rc = answer["rc"].get<unsigned>();
  return version == kVersion1 && rc >= 256 ? rc - 256 : 1000 + rc;
}

// --- Station ---

Station::Station(Exchange exchange) : exchange_(std::move(exchange)) {
  std::array<std::uint8_t, 65> point{};
  EXPECT_TRUE(mu_p256_generate(reopen_key.data(), point.data()));
}

std::optional<json> Station::request(std::uint8_t op, std::uint16_t group, std::uint8_t command,
                                     const json& body, Version version) {
  Bytes cbor = json::to_cbor(body);
  mu_smp_header header{};
  header.version = version;
  header.op = op;
  header.length = static_cast<std::uint16_t>(cbor.size());
  header.group = group;
  header.sequence = sequence_++;
  header.command = command;
  last_packet.assign(MU_SMP_HEADER, 0);
  mu_smp_write(&header, last_packet.data());
  last_packet.insert(last_packet.end(), cbor.begin(), cbor.end());
  std::optional<Bytes> answer = exchange_(last_packet);
  if (!answer) return std::nullopt;
  mu_smp_header back{};
  EXPECT_TRUE(mu_smp_parse(span(*answer), &back));
  EXPECT_EQ(back.version, version);
  EXPECT_EQ(back.op, op + 1);
  EXPECT_EQ(back.group, group);
  EXPECT_EQ(back.sequence, header.sequence);
  EXPECT_EQ(back.command, command);
  EXPECT_EQ(back.length, answer->size() - MU_SMP_HEADER);
  return json::from_cbor(answer->begin() + MU_SMP_HEADER, answer->end());
}

void Station::derive(const json& answer, const char* domain, const Bytes& e_private, const Bytes& e,
                     const Bytes& n, const Bytes& run) {
  src = bytes(answer.at("src").get<std::string>());
  hw = get(answer, "hw");
  transcript = sha256(
      frame_list({bytes(domain), {suite}, e, get(answer, "e"), src, hw, run, n, get(answer, "n")}));
  Bytes shared(32);
  Bytes keys(64);
  ASSERT_TRUE(mu_p256_ecdh(e_private.data(), get(answer, "e").data(), shared.data()));
  ASSERT_TRUE(mu_hkdf_sha256(span(transcript), span(shared), mu_text("mintmark/keys"), keys.data(),
                             keys.size()));
  to_unit_.assign(keys.begin(), keys.begin() + 32);
  to_station_.assign(keys.begin() + 32, keys.end());
  next = 0;
}

unsigned Station::open(std::uint8_t command, const char* domain) {
  Bytes e_private(32);
  Bytes e(65);
  Bytes n = random(16);
  Bytes run = random(16);
  EXPECT_TRUE(mu_p256_generate(e_private.data(), e.data()));
  json answer = request(2, 77, command, {{"e", bin(e)}, {"n", bin(n)}, {"run", bin(run)}}).value();
  if (unsigned rc = clear_rc(answer)) return rc;
  derive(answer, domain, e_private, e, n, run);
  if (command == 2) {
    spki = get(answer, "spki");
    const std::uint8_t* point = spki.size() == MU_SPKI ? mu_spki_point(spki.data()) : nullptr;
    signature_good =
        point != nullptr && mu_p256_verify(point, transcript.data(), get(answer, "sig").data());
  }
  return 0;
}

Bytes Station::seal(std::uint64_t i, const json& plain) const {
  Bytes text = json::to_cbor(plain);
  Bytes out(text.size() + MU_TAG);
  EXPECT_TRUE(mu_gcm_seal(to_unit_.data(), nonce(i).data(), span(text), out.data()));
  return out;
}

json Station::unseal(std::uint64_t i, const Bytes& c) const {
  Bytes out(c.size());
  if (!mu_gcm_open(to_station_.data(), nonce(i).data(), span(c), out.data())) return {};
  out.resize(c.size() - MU_TAG);
  return json::from_cbor(out);
}

json Station::message(std::uint64_t i, const Bytes& c) {
  std::optional<json> answer = request(2, 77, 3, {{"i", i}, {"c", bin(c)}});
  if (!answer) return {{"silence", true}};
  if (unsigned rc = clear_rc(*answer)) return {{"clear", rc}};
  EXPECT_EQ(answer->at("i"), i);
  return unseal(i, get(*answer, "c"));
}

json Station::op(const json& plain) {
  json answer = message(next, seal(next, plain));
  if (answer.contains("rc")) next++;
  return answer;
}

json Station::op_with(const char* name,
                      std::initializer_list<std::pair<const char*, json>> fields) {
  json plain = {{"op", name}};
  for (const auto& [key, value] : fields) plain[key] = value;
  return op(plain);
}

json Station::login(const std::string& password, const std::string& name) {
  return op_with("login", {{"name", name}, {"value", bin(bytes(password))}});
}

unsigned Station::inject(const std::string& password, const std::string& name) {
  return op_with("inject", {{"name", name}, {"value", bin(bytes(password))}}).value("rc", 1000U);
}

unsigned Station::set_password(const std::string& password, const std::string& name) {
  return op_with("set-password", {{"name", name}, {"value", bin(bytes(password))}})
      .value("rc", 1000U);
}

bool Station::proves(const std::string& password, const std::string& name) {
  json answer = op({{"op", "prove"}, {"name", name}});
  if (answer.value("rc", 1000U) != 0) return false;
  Bytes verifier(32);
  Bytes mac(32);
  EXPECT_TRUE(mu_pbkdf2_sha256(span(bytes(password)), span(get(answer, "salt")),
                               answer["iter"].get<std::uint32_t>(), verifier.data()));
  Bytes list = frame_list({bytes("mintmark/prove"), transcript, bytes(name)});
  mu_span part = span(list);
  EXPECT_TRUE(mu_hmac_sha256(span(verifier), &part, 1, mac.data()));
  return mac == get(answer, "mac");
}

void Station::enrol() {
  ASSERT_EQ(open_enrolment(), 0U);
  json made = op({{"op", "make-key"}});
  ASSERT_EQ(made["rc"], 0);
  enrolled_spki = get(made, "spki");
  json request = op({{"op", "request"}});
  ASSERT_EQ(request["rc"], 0);
  ASSERT_EQ(get(request, "spki"), enrolled_spki);
  Bytes digest = sha256(frame_list({bytes("mintmark/request"), transcript, enrolled_spki}));
  const std::uint8_t* point = mu_spki_point(enrolled_spki.data());
  ASSERT_NE(point, nullptr);
  ASSERT_TRUE(mu_p256_verify(point, digest.data(), get(request, "sig").data()));
  Bytes cert = random(300);
  cert.insert(cert.begin() + 150, enrolled_spki.begin(), enrolled_spki.end());
  Bytes reopen_point(65);
  Bytes reopen_spki(91);
  ASSERT_TRUE(mu_p256_public(reopen_key.data(), reopen_point.data()));
  mu_spki_from_point(reopen_point.data(), reopen_spki.data());
  json stored = op_with("store-cert", {{"cert", bin(cert)}, {"reopen", bin(reopen_spki)}});
  ASSERT_EQ(stored["rc"], 0);
}

// --- Unit ---

Unit::Unit(const char* misbehave, mu_reset_policy policy) {
  config.src = "demo-otp";
  config.hw_size = 8;
  Bytes id = hex("0011223344556677");
  std::copy(id.begin(), id.end(), config.hw);
  config.model = "MM-DEMO-1";
  config.firmware = "1.4.0";
  config.secure_boot = true;
  config.policy = policy;
  config.feature = "relay";
  config.iterations = 1000;
  config.max_failures = 10;
  if (!mu_bad_parse(misbehave, &config.misbehave)) throw std::runtime_error("no such word");
  mu_bad_configure(&config);
  start();
}

Unit::~Unit() { mu_flash_close(flash.get()); }

void Unit::start() {
  if (!mu_flash_open(flash.get(), (folder / "flash").c_str())) throw std::runtime_error("flash");
  mu_host host{};
  host.context = this;
  host.send = [](void* self, mu_span frame, bool last) {
    collect(&static_cast<Unit*>(self)->frames, frame, last);
  };
  host.lose_power = [](void* self) { static_cast<Unit*>(self)->deaths++; };
  if (!mu_unit_start(unit.get(), &config, &host, flash.get())) throw std::runtime_error("start");
}

void Unit::restart() {
  mu_flash_close(flash.get());
  start();
  restarts++;
}

std::optional<Bytes> Unit::exchange(const Bytes& packet) {
  frames.clear();
  Bytes line = to_line(packet);
  mu_unit_receive(unit.get(), line.data(), line.size());
  mu_assembler assembler{};
  std::optional<Bytes> out;
  for (const Bytes& frame : frames) {
    EXPECT_LE(frame.size(), 127U);
    for (std::uint8_t byte : frame) {
      mu_span answer{};
      if (mu_assemble(&assembler, byte, &answer)) {
        out = Bytes(answer.data, answer.data + answer.size);
      }
    }
  }
  if (unit->restart_wanted) restart();
  return out;
}

}  // namespace bench
