# Builds wolfSSL from Debian's own patched source into build/deps/wolfssl. Sourced by tools/setup.
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
#   cert*, keygen, *ALT_NAME   the test servers make their own CA and certificates
# Everything given with -D is written to wolfssl/options.h, so whoever includes that has the same configuration.

zw_wolfssl_configure=(
  --enable-static --disable-shared --disable-examples --disable-crypttests
  --enable-tls13 --disable-oldtls --enable-sni --enable-alpn --disable-session-ticket --enable-supportedcurves
  --enable-keying-material --enable-ocsp --enable-crl --enable-hkdf --enable-aesgcm --enable-chacha --enable-poly1305
  --enable-curve25519 --enable-ed25519 --enable-sp=yes --enable-sp-asm --enable-intelasm --enable-aesni
  --disable-hashdrbg --enable-atomicuser --enable-certgen --enable-certext --enable-certreq --enable-keygen --enable-ip-alt-name
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

# The stamp is written last: recipe on the first line, version of the source on the second.
wolfssl_is_built() {
  local stamp=$zw_deps/wolfssl/stamp
  [[ -f $zw_deps/wolfssl/lib/libwolfssl.a && -f $stamp && $(head -n 1 "$stamp") == "$(wolfssl_recipe)" ]]
}

wolfssl_built_version() { sed -n 2p "$zw_deps/wolfssl/stamp"; }

# write_source_entries RELEASE APT-DIRECTORY TO: source entries for this release of Debian, made from what apt already
# knows; keys, mirrors and options stay as they are. Entries of anyone else's are left out: they have no wolfSSL.
write_source_entries() {
  local release=$1 from=$2 to=$3 file
  for file in "$from/sources.list" "$from"/sources.list.d/*.list; do
    [[ -f $file ]] || continue
    # One line an entry: type, optional [options], address, suite, components.
    awk -v ours="^$release(-security|-updates|/updates)?\$" '
      $1 == "deb" || $1 == "deb-src" {
        rest = $0; sub(/[ \t]#.*/, "", rest); sub(/^[ \t]*deb(-src)?[ \t]+/, "", rest); options = ""
        if (match(rest, /^\[[^]]*\][ \t]*/)) { options = substr(rest, 1, RLENGTH); rest = substr(rest, RLENGTH + 1) }
        split(rest, field, /[ \t]+/)
        if (field[2] ~ ours) print "deb-src " options rest
      }' "$file" | sort -u >"$to/$(basename "$file" .list).list"
  done
  for file in "$from"/sources.list.d/*.sources; do
    [[ -f $file ]] || continue
    # One paragraph an entry, in which only the type changes.
    awk -v ours="[ \t]$release(-security|-updates|/updates)?[ \t]" -v RS= '
      {
        count = split($0, line, "\n"); keep = 0; text = ""
        for (i = 1; i <= count; ++i) {
          if (line[i] ~ /^#/) continue
          if (tolower(line[i]) ~ /^types:/) line[i] = "Types: deb-src"
          if (tolower(line[i]) ~ /^suites:/ && " " substr(line[i], 8) " " ~ ours) keep = 1
          text = text line[i] "\n"
        }
        if (keep) print text
      }' "$file" >"$to/$(basename "$file")"
  done
  find "$to" -type f -empty -delete
}

# A state of its own, so that the system's lists, sources and cache stay as they are. Signatures are checked as always.
write_apt_state() {
  local state=$1 release from
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [[ -n $release ]] || die "cannot tell which release of Debian this is (/etc/os-release has no VERSION_CODENAME)"
  from=$(apt-config shell directory Dir::Etc/d | sed "s/^directory='\\(.*\\)'$/\\1/")
  rm -rf "$state"
  mkdir -p "$state"/{sources.list.d,lists/partial,cache/archives/partial}
  write_source_entries "$release" "${from%/}" "$state/sources.list.d"
  [[ -n $(ls "$state/sources.list.d") ]] ||
    die "apt has no entry for Debian $release here, so there is nowhere to get wolfSSL's source from"
  cat >"$state/apt.conf" <<EOF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$state/sources.list.d";
Dir::State::lists "$state/lists";
Dir::Cache "$state/cache";
Acquire::Languages "none";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
EOF
  # Root would download as a user that cannot write here.
  if ((EUID == 0)); then echo 'APT::Sandbox::User "root";' >>"$state/apt.conf"; fi
}

# fetch_wolfssl DIRECTORY: unpacks the newest source into DIRECTORY/wolfssl-*, writes its version to DIRECTORY/version.
fetch_wolfssl() {
  local directory=$1 state=$zw_deps/apt
  write_apt_state "$state"
  apt-get -q -c "$state/apt.conf" update || true
  (cd "$directory" && apt-get -q -c "$state/apt.conf" --only-source source wolfssl) ||
    die "apt-get could not fetch wolfSSL's source (see above)"
  rm -rf "$state"
  sed -n 's/^Version: //p' "$directory"/wolfssl_*.dsc | head -n 1 >"$directory/version"
}

build_wolfssl() {
  local work=$zw_deps/wolfssl-build log=$zw_deps/wolfssl.log prefix=$zw_deps/wolfssl source
  rm -rf "$work"
  mkdir -p "$work"
  say "building wolfSSL from Debian's source (once, about a minute; log: build/deps/wolfssl.log)"
  # Not "if ! (...)": within a condition bash ignores set -e.
  set +e
  (
    set -e
    fetch_wolfssl "$work"
    source=$(echo "$work"/wolfssl-*/)
    printf '%s\n' "$zw_wolfssl_hook" >"$work/hook.h"
    cd "$source"
    autoreconf -fi
    # The prefix is replaced by DESTDIR, so a build that stops half way leaves the last good one alone.
    ./configure --prefix="$prefix" --libdir="$prefix/lib" "${zw_wolfssl_configure[@]}" \
      CFLAGS="${zw_wolfssl_cflags[*]} -include $work/hook.h"
    make -j"$(build_jobs)" V=0
    make install DESTDIR="$work/stage"
  ) >"$log" 2>&1
  local status=$?
  set -e
  if ((status != 0)); then
    tail -n 30 "$log" >&2
    die "wolfSSL did not build; the whole log is $log"
  fi
  { wolfssl_recipe; cat "$work/version"; } >"$work/stage$prefix/stamp"
  cp "$work"/wolfssl-*/COPYING "$work/stage$prefix/"
  rm -rf "$prefix"
  mv "$work/stage$prefix" "$prefix"
  rm -rf "$work"
  say "wolfSSL $(wolfssl_built_version) is in build/deps/wolfssl"
}
