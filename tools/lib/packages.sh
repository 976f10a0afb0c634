# What the project needs from Debian 12, and how to see whether it is there. Sourced by tools/setup.
# shellcheck shell=bash
#
# Each line: group, package, what must exist. A word without a slash is a command; anything else is a path pattern.
# Commands are looked for rather than packages, because a command may well come from elsewhere: Debian's npm, for one,
# conflicts with other builds of Node.js.
#
# Groups: base (build and run), tls (build wolfSSL and intel-ipsec-mb; only looked at when they are not built), test (tests),
# ci (.ci/run), bench (the peers that benchmarks compare with).
zw_packages='
base g++                  g++
base make                 make
base cmake                cmake
base ninja-build          ninja
base pkg-config           pkg-config
base ca-certificates      /etc/ssl/certs/ca-certificates.crt
base liburing-dev         /usr/include/liburing.h
base libsimdjson-dev      /usr/include/simdjson.h
base zlib1g-dev           /usr/include/zlib.h
base libcli11-dev         /usr/include/CLI/CLI.hpp
base libtomlplusplus-dev  /usr/include/toml++/toml.h
base libcpp-httplib-dev   /usr/include/httplib.h
base libexpected-dev      /usr/include/tl/expected.hpp
base libxxhash-dev        /usr/include/xxhash.h
base libnats-dev          /usr/include/nats/nats.h
tls  dpkg-dev             dpkg-source
tls  patch                patch
tls  xz-utils             xz
tls  autoconf             autoreconf
tls  automake             automake
tls  libtool              libtoolize
tls  nasm                 nasm
test git                  git
test libgtest-dev         /usr/include/gtest/gtest.h
test libgmock-dev         /usr/include/gmock/gmock.h
test catch2               /usr/include/catch2/catch.hpp
test librapidcheck-dev    /usr/include/rapidcheck/gtest.h
test libbenchmark-dev     /usr/include/benchmark/benchmark.h
test python3              /usr/bin/python3
test python3-websockets   /usr/lib/python3/dist-packages/websockets/__init__.py
test nginx-light          /usr/sbin/nginx
test openssl              openssl
test valgrind             valgrind
test libssl-dev           /usr/include/openssl/ssl.h
test nats-server          nats-server
test redis-server         redis-server
test libhiredis-dev       /usr/include/hiredis/hiredis.h
test nodejs               node
test npm                  npm
ci   gcovr                gcovr
ci   valgrind             valgrind
ci   clang-16             clang++-16
ci   llvm-16              /usr/lib/llvm-16/bin/llvm-symbolizer
ci   libclang-rt-16-dev   /usr/lib/llvm-16/lib/clang/16/lib/linux/libclang_rt.fuzzer-x86_64.a
ci   clang-format-14      clang-format-14
bench valgrind            valgrind
bench libssl-dev          /usr/include/openssl/ssl.h
bench libboost1.81-dev    /usr/include/boost/beast.hpp
bench libwslay-dev        /usr/include/wslay/wslay.h
bench libwebsockets-dev   /usr/include/libwebsockets.h
bench libwebsocketpp-dev  /usr/include/websocketpp/client.hpp
bench strace              strace
bench util-linux          taskset
'

# missing_packages GROUP...: one package per line.
missing_packages() {
  local group package probe
  while read -r group package probe; do
    [[ -n $group && " $* " == *" $group "* ]] || continue
    if [[ $probe == */* ]]; then
      compgen -G "$probe" >/dev/null || echo "$package"
    else
      command -v "$probe" >/dev/null || echo "$package"
    fi
  done <<<"$zw_packages"
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -- "$@"
  else
    die "root is needed to install packages and there is no sudo. As root, run: $*"
  fi
}

# install_packages PACKAGE...: no prompt, nothing recommended, quiet unless it fails.
install_packages() {
  local log
  command -v apt-get >/dev/null || die "missing: $*. This is no Debian system; install them by hand."
  say "installing from Debian: $*"
  log=$(mktemp)
  # An update that fails for one source need not matter: the install decides.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >"$log" 2>&1 || true
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
      -o Dpkg::Options::=--force-confold install "$@" >>"$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    die "apt-get could not install: $*"
  fi
  rm -f "$log"
}
