# Shared by the scripts in tools/. Source it; it changes nothing by itself.
# shellcheck shell=bash

zw_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034  # for those who source this
zw_deps=$zw_root/build/deps

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }

die() {
  printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# The header comment of a script is its help: from the second line to the first that is no comment.
print_help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$1"; }

# Jobs for a build: the cores, but not more than one per 1.5 GiB of memory (the compiler's appetite here).
build_jobs() {
  local cores memory_kib jobs
  cores=$(nproc)
  memory_kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  jobs=$((memory_kib / 1572864))
  ((jobs < 1)) && jobs=1
  echo $((jobs < cores ? jobs : cores))
}
