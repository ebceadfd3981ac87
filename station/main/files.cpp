#include "station/main/files.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "station/words/crypto.hpp"
#include "station/words/fault.hpp"
#include "station/words/secret.hpp"

namespace mintmark {

namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using File = std::unique_ptr<std::FILE, Freed<std::fclose>>;

[[noreturn]] void cannot(std::string_view code, const std::string& file) {
  throw Fault(code, {{"file", file}, {"reason", std::strerror(errno)}});
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

void write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR) cannot("file.write", path);
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) cannot("file.write", path);
}

void require(bool ok, const std::string& what) {
  if (!ok) throw Fault("tls.certificate", {{"reason", what}});
}

// An address is an iPAddress, anything else a dNSName (RFC 5280 section 4.2.1.6).
std::string alt_names(const std::vector<std::string>& names) {
  std::string out;
  for (std::string name : names) {
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    boost::system::error_code not_address;
    boost::asio::ip::make_address(name, not_address);
    out += (out.empty() ? "" : ",") + std::string(not_address ? "DNS:" : "IP:") + name;
  }
  return out;
}

void extend(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  require(extension != nullptr, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate self_signed(EVP_PKEY* key, const std::vector<std::string>& names) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  std::array<unsigned char, 16> serial{};
  require(RAND_bytes(serial.data(), static_cast<int>(serial.size())) == 1, "random");
  serial.at(0) &= 0x7F;
  std::unique_ptr<BIGNUM, Freed<BN_free>> number(
      BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get()));
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 397L * 24 * 3600);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("mintmark station"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_set_pubkey(certificate.get(), key);
  extend(certificate.get(), NID_subject_alt_name, alt_names(names));
  extend(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  extend(certificate.get(), NID_key_usage, "critical,digitalSignature");
  extend(certificate.get(), NID_ext_key_usage, "serverAuth");
  require(X509_sign(certificate.get(), key, EVP_sha256()) > 0, "signature");
  return certificate;
}

std::string contents(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

std::string read_text(const std::string& path, std::size_t limit) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) cannot("file.read", path);
  std::string out(limit + 1, '\0');
  out.resize(std::fread(out.data(), 1, out.size(), file.get()));
  if (std::ferror(file.get()) != 0) cannot("file.read", path);
  if (out.size() > limit) throw Fault("file.read", {{"file", path}, {"reason", "it is too large"}});
  return out;
}

void write_text(const std::string& path, std::string_view text, unsigned mode) {
  std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  write_new(fresh, text, mode);
  if (::rename(fresh.c_str(), path.c_str()) != 0) cannot("file.write", path);
}

void write_new(const std::string& path, std::string_view text, unsigned mode) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0 && errno == EEXIST) throw Fault("file.exists", {{"file", path}});
  if (file.get() < 0) cannot("file.write", path);
  write_all(file.get(), text, path);
}

Bytes read_ed25519_public(const std::string& path) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) cannot("key.unreadable", path);
  Key key(PEM_read_PUBKEY(file.get(), nullptr, nullptr, nullptr));
  Bytes out(32);
  std::size_t size = out.size();
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1)
    throw Fault("key.unreadable", {{"file", path}, {"reason", "not an Ed25519 public key in PEM"}});
  return out;
}

Bytes read_p256_public(const std::string& path) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) cannot("key.unreadable", path);
  Key key(PEM_read_PUBKEY(file.get(), nullptr, nullptr, nullptr));
  int size = key ? i2d_PUBKEY(key.get(), nullptr) : 0;
  Bytes out(static_cast<std::size_t>(std::max(0, size)));
  unsigned char* at = out.data();
  if (size > 0) i2d_PUBKEY(key.get(), &at);
  if (!p256_point(out)) throw Fault("escrow.key");
  return out;
}

std::string public_pem(View spki) {
  std::string body = base64(spki), out = "-----BEGIN PUBLIC KEY-----\n";
  for (std::size_t at = 0; at < body.size(); at += 64) out += body.substr(at, 64) + "\n";
  return out + "-----END PUBLIC KEY-----\n";
}

std::string sign_ed25519(const std::string& private_key_path, View message) {
  File file(std::fopen(private_key_path.c_str(), "rb"));
  if (!file) cannot("key.unreadable", private_key_path);
  Key key(PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr));
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519)
    throw Fault("key.unreadable",
                {{"file", private_key_path}, {"reason", "not an Ed25519 private key in PEM"}});
  DigestContext context(EVP_MD_CTX_new());
  Bytes signature(64);
  std::size_t size = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1)
    throw Fault("key.unreadable", {{"file", private_key_path}, {"reason", "it does not sign"}});
  return base64(signature) + "\n";
}

void write_tls_pair(const std::string& certificate, const std::string& key,
                    const std::vector<std::string>& names) {
  Key pair(EVP_EC_gen("P-256"));
  require(pair != nullptr, "key");
  Certificate made = self_signed(pair.get(), names);
  Bio key_pem(BIO_new(BIO_s_secmem())), certificate_pem(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_pem.get(), pair.get(), nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_bio_X509(certificate_pem.get(), made.get());
  char* data = nullptr;
  long size = BIO_get_mem_data(key_pem.get(), &data);
  write_new(key, std::string_view(data, static_cast<std::size_t>(size)), 0600);
  write_new(certificate, contents(certificate_pem.get()), 0644);
}

}  // namespace mintmark
