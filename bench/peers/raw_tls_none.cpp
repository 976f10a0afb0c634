// Built where there is no OpenSSL: nobody comes here without having asked is_there().

#include "raw_tls.hpp"

namespace zenwire::bench::raw_tls {
namespace {

[[noreturn]] void die_without_openssl() {
  die("TLS: built without OpenSSL");
}

}  // namespace

bool is_there() noexcept {
  return false;
}
ssl_ctx_st* make_context(const ClientOptions&) {
  die_without_openssl();
}
ssl_st* make(ssl_ctx_st*) {
  die_without_openssl();
}
void free(ssl_st*) noexcept {}
short handshake(ssl_st*, int) {
  die_without_openssl();
}
std::size_t receive(ssl_st*, char*, std::size_t) {
  die_without_openssl();
}
std::size_t send(ssl_st*, std::string_view) {
  die_without_openssl();
}

}  // namespace zenwire::bench::raw_tls
