# Builds AES-GCM for VAES out of Debian's source of intel-ipsec-mb into build/deps/ipsec-mb. Sourced by tools/setup, behind
# debian_source.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154  # zw_deps comes from common.sh
#
# Why not the package: each of its functions stores 0 into one variable of the process before anything else (imb_errno), and
# reactors on several cores then wait for each other at every TLS record: 256 bytes took 50 to 150 ns beside another thread
# that did the same, 38 alone. Without SAFE_PARAM there is no such store, nor the checks of arguments, which the engine makes
# itself. Of the whole library only these files are needed, which need nothing else: no manager, no start-up, no test.
#   SAFE_DATA            registers and stack are wiped
#   -O1                  of the assembler: the shortest jumps would take it ten times as long to find, and are no faster
#   prefix-symbols       so that a program that links the library itself has both

zw_ipsec_mb_sources=(
  avx512_t2/aes128_gcm_by48_api_vaes_avx512.asm avx512_t2/aes256_gcm_by48_api_vaes_avx512.asm
  x86_64/aes_keyexp_128.asm x86_64/aes_keyexp_256.asm
)
zw_ipsec_mb_flags=(-O1 -Werror -f elf64 -DLINUX -D__linux__ -DSAFE_DATA -DSAFE_LOOKUP)
zw_ipsec_mb_prefix=zenwire_

ipsec_mb_recipe() {
  printf '%s\n' "${zw_ipsec_mb_sources[@]}" "${zw_ipsec_mb_flags[@]}" "$zw_ipsec_mb_prefix" | sha256sum | cut -d' ' -f1
}

ipsec_mb_is_built() {
  [[ -f $zw_deps/ipsec-mb/lib/libipsec_mb_gcm.a ]] && built_from_source "$zw_deps/ipsec-mb" "$(ipsec_mb_recipe)"
}

# assemble_ipsec_mb SOURCE STAGE: SOURCE is the library's folder, with Debian's patches.
assemble_ipsec_mb() {
  local from=$1/lib stage=$2 source objects=()
  mkdir -p "$stage"/{include,lib}
  for source in "${zw_ipsec_mb_sources[@]}"; do
    objects+=("$stage/$(basename "$source" .asm).o")
    nasm "${zw_ipsec_mb_flags[@]}" -I "$from/" -o "${objects[-1]}" "$from/$source"
    objcopy --prefix-symbols="$zw_ipsec_mb_prefix" "${objects[-1]}"
  done
  ar rcs "$stage/lib/libipsec_mb_gcm.a" "${objects[@]}"
  rm "${objects[@]}"
  cp "$from/intel-ipsec-mb.h" "$stage/include/"
  cp "$1/LICENSE" "$stage/"
}

build_ipsec_mb() {
  build_from_source ipsec-mb intel-ipsec-mb "AES-GCM of intel-ipsec-mb" "$(ipsec_mb_recipe)" assemble_ipsec_mb
}
