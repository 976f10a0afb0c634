#pragma once

// TLS of the bare loop: OpenSSL on the socket, where it was found when this was built. Otherwise
// raw_tls_none.cpp takes its place, and there is no floor for TLS.

#include <cstddef>
#include <string_view>

#include "client_options.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace zenwire::bench::raw_tls {

[[nodiscard]] bool is_there() noexcept;

// Every error ends the program, as RawSocket's do.
ssl_ctx_st* make_context(const ClientOptions& options);
ssl_st* make(ssl_ctx_st* context);
void free(ssl_st* ssl) noexcept;
// What to wait for before calling again; 0: done.
short handshake(ssl_st* ssl, int socket);
// Bytes that have come, or were taken; 0: none now.
std::size_t receive(ssl_st* ssl, char* to, std::size_t bytes);
std::size_t send(ssl_st* ssl, std::string_view bytes);

}  // namespace zenwire::bench::raw_tls
