# Fetches Node's ws, which the interoperability tests talk to and benchmarks compare with, into build/deps/node. Sourced by tools/setup.
# shellcheck shell=bash
# shellcheck disable=SC2154  # zw_root and zw_deps come from common.sh
#
# tests/interop/package-lock.json names the version and its hash; npm refuses anything else.

node_recipe() { sha256sum <"$zw_root/tests/interop/package-lock.json" | cut -d' ' -f1; }

node_is_there() { [[ -f $zw_deps/node/stamp && $(<"$zw_deps/node/stamp") == "$(node_recipe)" ]]; }

fetch_node_packages() {
  local log=$zw_deps/npm.log work=$zw_deps/node-fetch
  say "fetching Node's ws"
  rm -rf "$work"
  mkdir -p "$work"
  cp "$zw_root"/tests/interop/package{,-lock}.json "$work/"
  # npm trusts a list of its own; a network with its own authority is known to the system's.
  export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
  if ! (cd "$work" && npm ci --no-audit --no-fund --ignore-scripts --no-update-notifier) >"$log" 2>&1; then
    tail -n 10 "$log" >&2
    # The library builds and all else can be tested without it; where nobody would read this, that is not enough.
    [[ ${CI:-} != true ]] || die "npm could not fetch ws; its log is $log"
    say "warning: npm could not fetch ws, so the tests that talk to it will be skipped (log: build/deps/npm.log)" >&2
    return
  fi
  node_recipe >"$work/stamp"
  rm -rf "$zw_deps/node"
  mv "$work" "$zw_deps/node"
}
