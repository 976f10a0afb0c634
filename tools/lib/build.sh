# Configuring and building presets. Sourced after common.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154  # zw_root comes from common.sh

preset_exists() { [[ $1 != *base ]] && grep -q "\"name\": \"$1\"" "$zw_root/CMakePresets.json"; }

# What tools/setup must provide for a preset.
preset_needs() {
  case $1 in
    demo) echo run ;;
    asan-ubsan | clang | fuzz) echo ci ;;
    *) echo test ;;
  esac
}

# configure_preset NAME: only when it was not, or when the presets changed since; ninja sees every other change itself.
configure_preset() {
  local build=$zw_root/build/$1
  [[ -f $build/build.ninja && $build/build.ninja -nt $zw_root/CMakePresets.json ]] && return
  (cd "$zw_root" && cmake --preset "$1") || die "cmake could not configure preset $1"
}

# build_preset NAME [TARGET...]
build_preset() {
  local preset=$1
  shift
  configure_preset "$preset"
  (cd "$zw_root" && cmake --build --preset "$preset" -j "$(build_jobs)" ${1:+--target "$@"}) ||
    die "preset $preset did not build"
}
