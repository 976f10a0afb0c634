#pragma once

// A client and a server of TLS in one memory, and certificates for them.

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zenwire/base/bytes.hpp>
#include <zenwire/engine/certificate.hpp>
#include <zenwire/engine/tls.hpp>

namespace zenwire::test {

inline const CertificateAuthority& authority() {
  static const CertificateAuthority made = CertificateAuthority::create("the test's own").value();
  return made;
}

inline CertificateRequest localhost() {
  CertificateRequest request;
  request.dns_names = {"localhost", "*.venue.example"};
  request.ip_addresses = {"127.0.0.1", "::1"};
  return request;
}

inline TlsOptions with_identity(TlsOptions options, const CertificateAndKey& identity) {
  options.certificate_pem = identity.certificate_pem;
  options.key_pem = identity.key_pem;
  return options;
}

inline TlsOptions server_options(const CertificateRequest& request = localhost(),
                                 const CertificateAuthority& issuer = authority()) {
  return with_identity({}, issuer.issue(request).value());
}

inline TlsOptions trusting(const CertificateAuthority& issuer = authority()) {
  TlsOptions options;
  options.ca_pem = issuer.certificate_pem();
  return options;
}

inline void deliver(TlsStream& to, Bytes bytes) {
  const MutableBytes space = to.ciphertext_space();
  ZW_ASSERT(bytes.size() <= space.size());
  if (bytes.empty()) return;
  std::memcpy(space.data(), bytes.data(), bytes.size());
  to.ciphertext_commit(bytes.size());
}

// Carries what `from` wants to say, `piece` bytes at most. False: it says nothing.
inline bool carry(TlsStream& from, TlsStream& to, std::size_t piece = 100'000) {
  const std::size_t bytes =
      std::min({piece, from.pending_out().size(), to.ciphertext_space().size()});
  deliver(to, from.pending_out().first(bytes));
  from.pending_out_consume(bytes);
  return bytes > 0;
}

struct Pair {
  TlsStream client;
  TlsStream server;
  Error client_error = {};
  Error server_error = {};

  // The contexts die here: streams do not need them.
  static Pair make(const TlsOptions& client_options = trusting(),
                   const TlsOptions& options_of_server = server_options(),
                   std::string_view name = "localhost") {
    const auto ours = TlsContext::client(client_options).value();
    const auto theirs = TlsContext::server(options_of_server).value();
    return {TlsStream::client(ours, name).value(), TlsStream::server(theirs).value()};
  }

  // As far as it goes; true when both are done. The ends hear of each other's errors.
  bool shake_hands(std::size_t piece = 100'000) {
    bool client_done = false;
    bool server_done = false;
    for (bool moved = true; moved;) {
      if (!client_error) client_done = step(client, client_error);
      if (!server_error) server_done = step(server, server_error);
      moved = carry(client, server, piece);
      moved |= carry(server, client, piece);
    }
    return client_done && server_done;
  }

  // Encrypts in one and decrypts in the other; what came out.
  static Result<std::string> say(TlsStream& from, TlsStream& to, std::string_view text) {
    std::vector<std::byte> records(TlsStream::ciphertext_bound_bytes(text.size()));
    const auto bytes = from.write(as_bytes(text), records);
    if (!bytes) return tl::unexpected<Error>(bytes.error());
    std::string heard;
    std::vector<std::byte> room(TlsStream::kRecord_bytes_max);
    for (Bytes left = Bytes(records).first(*bytes); !left.empty();) {
      const std::size_t part = std::min(left.size(), to.ciphertext_space().size());
      deliver(to, left.first(part));
      left = left.subspan(part);
      while (to.has_complete_record()) {
        const auto read = to.read(room);
        if (!read) return tl::unexpected<Error>(read.error());
        heard += as_text(Bytes(room).first(*read));
      }
    }
    return heard;
  }

 private:
  static bool step(TlsStream& stream, Error& error) {
    const auto done = stream.handshake();
    if (!done) error = done.error();
    return done.value_or(false);
  }
};

}  // namespace zenwire::test
