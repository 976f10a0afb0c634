# Builds wolfSSL from Debian's own patched source into build/deps/wolfssl. Sourced by tools/setup,
# behind debian_source.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154  # zw_deps comes from common.sh
#
# Why not the package: it has no AES-NI and allocates on every record (611 ns to write 64 bytes; this build 120 ns and
# no allocation). Why these options, where it is not plain from the name:
#   LARGE_STATIC_BUFFERS       record buffers inside the WOLFSSL object: no allocation per record
#   CUSTOM_RAND_GENERATE_BLOCK all random bytes come from the engine, so a simulation can seed them. intelrand is left
#                              out because RDRAND would be asked before the hook; it also spares TLS 1.2 the Hash-DRBG
#                              per record (400 to 800 ns)
#   ALWAYS_VERIFY_CB           the verify callback sees good certificates too: names and pins are checked there, by us
#   ALT_CERT_CHAINS            a server may send authorities that lead nowhere (cross-signed by a root that has gone), as
#                              many do; its own certificate must still lead to a trusted one
#   EXTRA_ALERTS               the peer is told why a handshake failed
#   disable-session-ticket     tickets would be kept, with an allocation, on the reactor's thread, and those with a nonce
#                              above 8 bytes (rustls) would end the connection; without, they are skipped
#   HAVE_SECRET_CALLBACK       key log for tests;  atomicuser: record keys can be read out
#   cryptocb                   records are opened and sealed by the engine's cipher where the processor has VAES
#   cert*, keygen, *ALT_NAME   the test servers make their own CA and certificates
# Everything given with -D is written to wolfssl/options.h, so whoever includes that has the same configuration.

zw_wolfssl_configure=(
  --enable-static --disable-shared --disable-examples --disable-crypttests
  --enable-tls13 --disable-oldtls --enable-sni --enable-alpn --disable-session-ticket --enable-supportedcurves
  --enable-keying-material --enable-ocsp --enable-crl --enable-hkdf --enable-aesgcm --enable-chacha --enable-poly1305
  --enable-curve25519 --enable-ed25519 --enable-sp=yes --enable-sp-asm --enable-intelasm --enable-aesni
  --disable-hashdrbg --enable-atomicuser --enable-cryptocb
  --enable-certgen --enable-certext --enable-certreq --enable-keygen --enable-ip-alt-name
)
zw_wolfssl_cflags=(
  -O3 -fPIC -DLARGE_STATIC_BUFFERS -DHAVE_SECRET_CALLBACK -DWOLFSSL_ALT_NAMES -DKEEP_PEER_CERT
  -DWOLFSSL_ALWAYS_VERIFY_CB -DWOLFSSL_HOSTNAME_VERIFY_ALT_NAME_ONLY -DWOLFSSL_ALT_CERT_CHAINS -DWOLFSSL_EXTRA_ALERTS
  -DCUSTOM_RAND_GENERATE_BLOCK=zenwire_rand_generate_block
)
# The hook's declaration, for wolfSSL's build alone. The engine defines it.
zw_wolfssl_hook='#ifndef __ASSEMBLER__
int zenwire_rand_generate_block(unsigned char* output, unsigned int size);
#endif'

wolfssl_recipe() {
  printf '%s\n' "${zw_wolfssl_configure[@]}" "${zw_wolfssl_cflags[@]}" "$zw_wolfssl_hook" | sha256sum | cut -d' ' -f1
}

wolfssl_is_built() {
  [[ -f $zw_deps/wolfssl/lib/libwolfssl.a ]] && built_from_source "$zw_deps/wolfssl" "$(wolfssl_recipe)"
}

# configure_and_make_wolfssl SOURCE STAGE
configure_and_make_wolfssl() {
  local source=$1 stage=$2 prefix=$zw_deps/wolfssl
  printf '%s\n' "$zw_wolfssl_hook" >"$source/zenwire_hook.h"
  cd "$source"
  autoreconf -fi
  ./configure --prefix="$prefix" --libdir="$prefix/lib" "${zw_wolfssl_configure[@]}" \
    CFLAGS="${zw_wolfssl_cflags[*]} -include ${source%/}/zenwire_hook.h"
  make -j"$(build_jobs)" V=0
  make install DESTDIR="$stage.root"
  mv "$stage.root$prefix" "$stage"
  cp COPYING "$stage/"
}

build_wolfssl() { build_from_source wolfssl wolfssl wolfSSL "$(wolfssl_recipe)" configure_and_make_wolfssl; }
