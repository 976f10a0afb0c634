// TLS against OpenSSL and Python on loopback, and chains that only OpenSSL's command can make.

#include <array>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command_output.hpp"
#include "temporary_directory.hpp"
#include "tls_pair.hpp"

namespace zenwire::test {
namespace {

constexpr timeval kWatchdog{60, 0};

// A file that is closed when it dies.
class File {
 public:
  explicit File(int descriptor = -1) noexcept : descriptor_(descriptor) {}
  ~File() { close(); }
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&&) = delete;

  [[nodiscard]] int get() const noexcept { return descriptor_; }
  void close() noexcept {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

 private:
  int descriptor_;
};

// A program with pipes to its input and from its output; ended when it dies.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    int in[2];
    int out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::dup2(out[1], 2);
      for (const int end : {in[0], in[1], out[0], out[1]}) ::close(end);
      std::vector<char*> pointers;
      for (auto& argument : arguments) pointers.push_back(argument.data());
      pointers.push_back(nullptr);
      ::execvp(pointers[0], pointers.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    in_.emplace(in[1]);
    out_.emplace(out[0]);
  }
  ~Program() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void say(std::string_view text) const {
    ASSERT_EQ(::write(in_->get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // Reads until `words` have come, or the program's end; what came up to then, and the rest of the
  // line.
  std::string hear(std::string_view words) {
    std::size_t from = heard_.find(words);
    while (from == std::string::npos || heard_.find('\n', from) == std::string::npos) {
      std::array<char, 4096> block{};
      const ssize_t bytes = ::read(out_->get(), block.data(), block.size());
      if (bytes <= 0) break;
      heard_.append(block.data(), static_cast<std::size_t>(bytes));
      from = heard_.find(words);
    }
    const std::size_t end = from == std::string::npos ? heard_.size() : heard_.find('\n', from);
    std::string result = heard_.substr(0, end);
    heard_.erase(0, end);
    return result;
  }

 private:
  pid_t child_ = -1;
  std::optional<File> in_;
  std::optional<File> out_;
  std::string heard_;
};

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A blocking socket with TLS on it.
class Line {
 public:
  Line(int socket, TlsStream stream) : socket_(socket), stream_(std::move(stream)) {
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kWatchdog, sizeof kWatchdog);
  }

  Result<void> shake_hands() {
    for (;;) {
      const auto done = stream_.handshake();
      flush();
      if (!done) return tl::unexpected<Error>(done.error());
      if (*done) return {};
      if (!receive()) return fail(Errc::tls_truncated);
    }
  }

  void say(std::string_view text) {
    std::vector<std::byte> records(TlsStream::ciphertext_bound_bytes(text.size()));
    const auto bytes = stream_.write(as_bytes(text), records);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().detail();
    send(Bytes(records).first(*bytes));
  }

  // Until `words` have come, or the end.
  std::string hear(std::string_view words) {
    std::array<std::byte, 20'000> room{};
    while (heard_.find(words) == std::string::npos) {
      const auto bytes = stream_.read(room);
      flush();
      if (!bytes) {
        error_ = bytes.error();
        break;
      }
      heard_ += as_text(Bytes(room).first(*bytes));
      if (*bytes == 0 && !receive()) break;
    }
    return std::exchange(heard_, {});
  }

  // Until the library has something to say of its own, which it is left with.
  void hear_what_wants_an_answer() {
    std::array<std::byte, 1000> room{};
    while (stream_.pending_out().empty()) {
      const auto bytes = stream_.read(room);
      ASSERT_TRUE(bytes.has_value()) << bytes.error().detail();
      heard_ += as_text(Bytes(room).first(*bytes));
      if (stream_.pending_out().empty() && *bytes == 0) {
        ASSERT_TRUE(receive());
      }
    }
  }

  TlsStream& stream() { return stream_; }
  [[nodiscard]] const Error& error() const { return error_; }
  void flush() {
    send(stream_.pending_out());
    stream_.pending_out_consume(stream_.pending_out().size());
  }

 private:
  bool receive() {
    const MutableBytes space = stream_.ciphertext_space();
    const ssize_t bytes = ::recv(socket_.get(), space.data(), space.size(), 0);
    if (bytes <= 0) return false;
    stream_.ciphertext_commit(static_cast<std::size_t>(bytes));
    return true;
  }
  void send(Bytes bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the peer has gone: reading tells why
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
  }

  File socket_;
  TlsStream stream_;
  std::string heard_;
  Error error_;
};

class Interop : public testing::Test {
 protected:
  void SetUp() override {
    if (!command_exists("openssl")) GTEST_SKIP() << "no openssl here";
    std::signal(SIGPIPE, SIG_IGN);
    const auto identity = authority().issue(localhost()).value();
    ca_ = directory_.write("ca.pem", authority().certificate_pem());
    certificate_ = directory_.write("certificate.pem", identity.certificate_pem);
    key_ = directory_.write("key.pem", identity.key_pem);
  }

  // OpenSSL's server with our certificate.
  [[nodiscard]] Program openssl_server(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"openssl", "s_server",   "-accept", "127.0.0.1:0",
                                          "-cert",   certificate_, "-key",    key_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Program(std::move(arguments));
  }

  static Line connect(Program& server, const TlsOptions& options, std::string_view name) {
    const std::string ready = server.hear("ACCEPT ");
    const sockaddr_in address = loopback(std::atoi(ready.substr(ready.rfind(':') + 1).c_str()));
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
        << ready;
    return {socket, TlsStream::client(TlsContext::client(options).value(), name).value()};
  }

  // Waits for one client of ours and gives its line.
  struct Listener {
    File socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int port = 0;

    Listener() {
      sockaddr_in address = loopback(0);
      socklen_t bytes = sizeof address;
      EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), bytes), 0);
      EXPECT_EQ(::listen(socket.get(), 1), 0);
      EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &bytes), 0);
      port = ntohs(address.sin_port);
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kWatchdog, sizeof kWatchdog);
    }
    Line accept(const TlsOptions& options = server_options()) const {
      const int accepted = ::accept(socket.get(), nullptr, nullptr);
      EXPECT_GE(accepted, 0);
      return {accepted, TlsStream::server(TlsContext::server(options).value()).value()};
    }
  };

  std::string openssl(const std::string& arguments) const {
    return command_output("cd " + directory_.path() + " && openssl " + arguments);
  }

  TemporaryDirectory directory_;
  std::string ca_;
  std::string certificate_;
  std::string key_;
};

void expect_echo(Line& line) {
  const auto open = line.shake_hands();
  ASSERT_TRUE(open.has_value()) << name(open.error().code()) << ": " << open.error().detail();
  line.say("abcdef\n");
  EXPECT_EQ(line.hear("\n"), "fedcba\n");
  const std::string longer(10'000, 'x');
  line.say(longer + "y\n");
  EXPECT_TRUE(line.hear("\n") == "y" + longer + "\n");
}

// --- We are the client.

struct ServerCase {
  const char* name;
  std::vector<std::string> arguments;
  const char* cipher;
  const char* alpn;
};

class OpensslServer : public Interop, public testing::WithParamInterface<ServerCase> {};

TEST_P(OpensslServer, SpeaksWithUs) {
  std::vector<std::string> arguments = GetParam().arguments;
  arguments.emplace_back("-rev");  // it answers each line reversed
  Program server = openssl_server(arguments);
  Line line = connect(server, trusting(), "localhost");
  expect_echo(line);
  EXPECT_EQ(line.stream().info().cipher, GetParam().cipher);
  EXPECT_EQ(line.stream().info().alpn, GetParam().alpn);
}

INSTANTIATE_TEST_SUITE_P(
    Table, OpensslServer,
    testing::Values(
        ServerCase{"Tls13", {}, "TLS13-AES128-GCM-SHA256", ""},
        ServerCase{"Tls12", {"-tls1_2"}, "ECDHE-ECDSA-AES128-GCM-SHA256", ""},
        ServerCase{"Tls13Aes256",
                   {"-ciphersuites", "TLS_AES_256_GCM_SHA384"},
                   "TLS13-AES256-GCM-SHA384",
                   ""},
        ServerCase{"Tls13ChaCha",
                   {"-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"},
                   "TLS13-CHACHA20-POLY1305-SHA256",
                   ""},
        ServerCase{"Tls12ChaCha",
                   {"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"},
                   "ECDHE-ECDSA-CHACHA20-POLY1305",
                   ""},
        ServerCase{"OtherGroup", {"-groups", "X25519:P-521"}, "TLS13-AES128-GCM-SHA256", ""},
        ServerCase{"RetryForItsGroup", {"-groups", "P-384"}, "TLS13-AES128-GCM-SHA256", ""},
        ServerCase{"ManyTickets", {"-num_tickets", "20"}, "TLS13-AES128-GCM-SHA256", ""},
        ServerCase{"Alpn", {"-alpn", "h2,http/1.1"}, "TLS13-AES128-GCM-SHA256", "http/1.1"}),
    [](const auto& instance) { return instance.param.name; });

TEST_F(Interop, AServerOfAnotherProtocolRefusesUs) {
  Program server = openssl_server({"-alpn", "h2"});
  Line line = connect(server, trusting(), "localhost");
  const auto open = line.shake_hands();
  ASSERT_FALSE(open.has_value());
  EXPECT_EQ(open.error().code(), Errc::tls_alert);
  EXPECT_EQ(open.error().detail(), "localhost sent the alert no_application_protocol");
}

TEST_F(Interop, AKeyUpdateOfOpensslIsAnswered) {
  Program server = openssl_server({"-tls1_3"});
  Line line = connect(server, trusting(), "localhost");
  ASSERT_TRUE(line.shake_hands().has_value());
  for (const std::string& round : {std::string("one"), std::string("two")}) {
    server.say("K\n");  // update your keys, and the client's
    line.hear_what_wants_an_answer();
    server.say(round + " from it\n");
    EXPECT_EQ(line.hear(" from it\n"), round + " from it\n");
    line.say(round + " from us\n");  // the answer goes first
    EXPECT_NE(server.hear(round + " from us").find(round + " from us"), std::string::npos);
    ASSERT_TRUE(line.stream().update_keys().has_value());
    line.say(round + " again\n");  // the update goes first
    EXPECT_NE(server.hear(round + " again").find(round + " again"), std::string::npos);
  }
}

TEST_F(Interop, OpensslMayWantAClientCertificate) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    Program server = openssl_server(
        {version, "-Verify", "1", "-verify_return_error", "-CAfile", ca_, "-rev", "-naccept", "2"});
    Line with = connect(server, with_identity(trusting(), authority().issue(localhost()).value()),
                        "localhost");
    expect_echo(with);
  }
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    Program server =
        openssl_server({version, "-Verify", "1", "-verify_return_error", "-CAfile", ca_});
    const auto stranger = CertificateAuthority::create("a stranger").value();
    Line line = connect(server, with_identity(trusting(), stranger.issue(localhost()).value()),
                        "localhost");
    Error error;
    if (const auto open = line.shake_hands(); !open) {
      error = open.error();
    } else {
      line.hear("nothing");
      error = line.error();
    }
    EXPECT_EQ(error.code(), Errc::tls_client_certificate_refused) << error.detail();
  }
}

TEST_F(Interop, AnRsaCertificateIsVerified) {
  openssl(
      "req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.pem -subj /CN=localhost -days 2 "
      "-addext subjectAltName=DNS:localhost,IP:127.0.0.1");
  TlsOptions client;
  client.ca_file = directory_.path() + "/rsa.pem";
  TlsOptions server;
  server.certificate_file = client.ca_file;
  server.key_file = directory_.path() + "/rsa.key";
  for (const TlsVersion version : {TlsVersion::tls1_2, TlsVersion::tls1_3}) {
    client.version_max = version;
    for (const char* expected : {"localhost", "127.0.0.1"}) {
      Pair ends = Pair::make(client, server, expected);
      EXPECT_TRUE(ends.shake_hands()) << ends.client_error.detail();
    }
  }
}

// --- We are the server.

TEST_F(Interop, OpensslsClientVerifiesUs) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    Listener listener;
    Program client({"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(listener.port),
                    "-CAfile", ca_, "-verify_return_error", "-x509_strict", "-verify_ip",
                    "127.0.0.1", "-servername", "localhost", "-alpn", "h2,http/1.1", version,
                    "-quiet"});
    Line line = listener.accept();
    ASSERT_TRUE(line.shake_hands().has_value());
    EXPECT_EQ(line.stream().info().alpn, "http/1.1");
    line.say("a tick\n");
    EXPECT_NE(client.hear("a tick").find("a tick"), std::string::npos);
    client.say("an order\n");
    EXPECT_EQ(line.hear("\n"), "an order\n");
    line.stream().close_notify();
    line.flush();
  }
}

TEST_F(Interop, OpensslsClientRefusesOurCertificateForAnotherName) {
  Listener listener;
  Program client({"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(listener.port),
                  "-CAfile", ca_, "-verify_return_error", "-verify_hostname", "elsewhere.example"});
  Line line = listener.accept();
  const auto open = line.shake_hands();
  if (open) line.hear("nothing");
  const Error error = open ? line.error() : open.error();
  EXPECT_EQ(error.code(), Errc::tls_alert) << error.detail();
}

TEST_F(Interop, AClientThatWantsOnlyAnotherProtocolIsRefused) {
  Listener listener;
  Program client({"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(listener.port),
                  "-CAfile", ca_, "-alpn", "h2"});
  Line line = listener.accept();
  EXPECT_EQ(line.shake_hands().error().code(), Errc::tls_handshake_failed);
  client.hear("no application protocol");
}

TEST_F(Interop, PythonVerifiesUsStrictly) {
  if (!command_exists("/usr/bin/python3")) GTEST_SKIP() << "no python3 here";
  const std::string script = directory_.write("client.py", R"(
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
context.set_alpn_protocols(["http/1.1"])
with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as plain:
    with context.wrap_socket(plain, server_hostname=sys.argv[3]) as line:
        line.sendall(b"hello from " + line.version().encode() + b" " + line.selected_alpn_protocol().encode() + b"\n")
        print(line.recv(100).decode(), flush=True)
)");
  for (const char* name : {"localhost", "127.0.0.1"}) {
    Listener listener;
    Program client({"/usr/bin/python3", script, ca_, std::to_string(listener.port), name});
    Line line = listener.accept();
    ASSERT_TRUE(line.shake_hands().has_value()) << client.hear("Error");
    EXPECT_EQ(line.hear("\n"), "hello from TLSv1.3 http/1.1\n");
    line.say("and goodbye");
    EXPECT_NE(client.hear("goodbye").find("and goodbye"), std::string::npos);
  }
}

// --- Chains.

class Chains : public Interop {
 protected:
  // An authority's key and certificate, `name`.key and `name`.pem, by itself.
  void root(const std::string& name, const std::string& more = {}) const {
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name +
            ".key -out " + name + ".pem -days 10 " + more);
  }
  // `file`.pem: the certificate of `key` for `subject`, by `issuer`.
  void certify(const std::string& file, const std::string& key, const std::string& subject,
               const std::string& issuer, int days, const std::string& extensions) const {
    static_cast<void>(directory_.write("extensions", extensions));
    openssl("req -new -key " + key + ".key -out request -subj /CN=" + subject);
    openssl("x509 -req -in request -CA " + issuer + ".pem -CAkey " + issuer +
            ".key -CAcreateserial -extfile extensions -days " + std::to_string(days) + " -out " +
            file + ".pem");
  }
  // What a client that trusts `trusted` makes of this server.
  [[nodiscard]] Error outcome(const std::string& trusted, const std::string& chain,
                              const std::string& key) const {
    TlsOptions client;
    client.ca_file = directory_.path() + "/" + trusted + ".pem";
    TlsOptions server;
    server.certificate_file = directory_.path() + "/" + chain + ".pem";
    server.key_file = directory_.path() + "/" + key + ".key";
    Pair ends = Pair::make(client, server);
    ends.shake_hands();
    return ends.client_error;
  }
  void join(const std::string& to, const std::string& files) const {
    command_output("cd " + directory_.path() + " && cat " + files + " > " + to + ".pem");
  }

  static constexpr const char* kAuthority =
      "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
      "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
  static constexpr const char* kLeaf = "subjectAltName=DNS:localhost\n";
};

// As a public authority did in 2021: its root was also signed by an older one, which then expired,
// and servers went on to send that.
TEST_F(Chains, AnExpiredCrossSignatureDoesNotMatterToWhoTrustsTheRoot) {
  root("old", "-subj /CN=old");
  root("new", "-subj /CN=new");
  root("leaf", "-subj /CN=unused");
  certify("cross", "new", "new", "old", -1, kAuthority);
  certify("server", "leaf", "localhost", "new", 5, kLeaf);
  join("chain", "server.pem cross.pem");
  EXPECT_EQ(outcome("new", "chain", "leaf").code(), Errc::ok);
  const Error error = outcome("old", "chain", "leaf");
  EXPECT_EQ(error.code(), Errc::tls_certificate_expired) << error.detail();
}

// An authority that says it is ours, down to the identifier of its key, but has another key.
TEST_F(Chains, AForgedAuthorityIsRefused) {
  constexpr const char* kSameId =
      "-addext subjectKeyIdentifier=00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13 "
      "-addext keyUsage=critical,keyCertSign -subj /CN=root";
  root("true", kSameId);
  root("forged", kSameId);
  root("middle", "-subj /CN=unused");
  root("leaf", "-subj /CN=unused");
  for (const std::string issuer : {"true", "forged"}) {
    certify("between", "middle", "between", issuer, 5, kAuthority);
    openssl("x509 -in between.pem -out between.pem");
    command_output("cd " + directory_.path() + " && cp middle.key between.key");
    certify("server", "leaf", "localhost", "between", 5, kLeaf);
    join("chain", "server.pem between.pem");
    const Error error = outcome("true", "chain", "leaf");
    EXPECT_EQ(error.condition(), issuer == "true" ? Condition::none : Condition::not_trusted)
        << issuer << ": " << error.detail();
    certify("server", "leaf", "localhost", issuer, 5, kLeaf);
    const Error direct = outcome("true", "server", "leaf");
    EXPECT_EQ(static_cast<bool>(direct), issuer == "forged") << direct.detail();
    join("chain", "server.pem " + issuer + ".pem");
    EXPECT_EQ(static_cast<bool>(outcome("true", "chain", "leaf")), issuer == "forged");
  }
}

// A certificate of a server, signed by a trusted authority, may not itself vouch for others.
TEST_F(Chains, AServersCertificateIsNoAuthority) {
  root("root", "-subj /CN=root");
  root("first", "-subj /CN=unused");
  root("second", "-subj /CN=unused");
  certify("first", "first", "first.example", "root", 5, "subjectAltName=DNS:first.example\n");
  certify("second", "second", "localhost", "first", 5, kLeaf);
  join("chain", "second.pem first.pem");
  EXPECT_EQ(outcome("root", "chain", "second").condition(), Condition::not_trusted);
}

TEST_F(Chains, ACertificateForAnotherPurposeIsRefused) {
  root("root", "-subj /CN=root");
  root("leaf", "-subj /CN=unused");
  certify("server", "leaf", "localhost", "root", 5,
          std::string(kLeaf) + "extendedKeyUsage=clientAuth\n");
  EXPECT_EQ(outcome("root", "server", "leaf").code(), Errc::tls_certificate_invalid);
}

TEST_F(Chains, NameConstraintsHold) {
  root("root", "-subj /CN=root");
  root("middle", "-subj /CN=unused");
  root("leaf", "-subj /CN=unused");
  command_output("cd " + directory_.path() + " && cp middle.key between.key");
  for (const std::string permitted : {"localhost", "elsewhere.example"}) {
    certify("between", "middle", "between", "root", 5,
            kAuthority + ("nameConstraints=critical,permitted;DNS:" + permitted + "\n"));
    certify("server", "leaf", "localhost", "between", 5, kLeaf);
    join("chain", "server.pem between.pem");
    EXPECT_EQ(static_cast<bool>(outcome("root", "chain", "leaf")), permitted != "localhost")
        << outcome("root", "chain", "leaf").detail();
  }
}

}  // namespace
}  // namespace zenwire::test
