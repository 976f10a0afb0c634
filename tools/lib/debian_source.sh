# Fetches the source of one of Debian's packages, with Debian's patches, and builds of it what zenwire needs. Sourced by
# tools/setup.
# shellcheck shell=bash
# shellcheck disable=SC2154  # zw_deps comes from common.sh

# write_source_entries RELEASE APT-DIRECTORY TO: source entries for this release of Debian, made from what apt already
# knows; keys, mirrors and options stay as they are. Entries of anyone else's are left out: what is wanted is Debian's.
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
    die "apt has no entry for Debian $release here, so there is nowhere to get sources from"
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

# fetch_source PACKAGE DIRECTORY: unpacks the newest source into DIRECTORY/PACKAGE-*, writes its version to
# DIRECTORY/version.
fetch_source() {
  local package=$1 directory=$2 state=$zw_deps/apt
  write_apt_state "$state"
  apt-get -q -c "$state/apt.conf" update || true
  (cd "$directory" && apt-get -q -c "$state/apt.conf" --only-source source "$package") ||
    die "apt-get could not fetch the source of $package (see above)"
  rm -rf "$state"
  sed -n 's/^Version: //p' "$directory/${package}"_*.dsc | head -n 1 >"$directory/version"
}

# built_from_source DIRECTORY RECIPE: whether what was built there followed this recipe. Its stamp is written last: recipe
# on the first line, version of the source on the second.
built_from_source() { [[ -f $1/stamp && $(head -n 1 "$1/stamp") == "$2" ]]; }
source_version() { sed -n 2p "$1/stamp"; }

# build_from_source NAME PACKAGE WHAT RECIPE STEP: fetches PACKAGE and has STEP SOURCE STAGE make a tree in STAGE, which becomes
# build/deps/NAME. A build that stops half way leaves the last good one alone. WHAT is its name for a person.
build_from_source() {
  local name=$1 package=$2 what=$3 recipe=$4 step=$5
  local work=$zw_deps/$name-build log=$zw_deps/$name.log prefix=$zw_deps/$name status
  rm -rf "$work"
  mkdir -p "$work"
  say "building $what from Debian's source (once, up to a minute; log: build/deps/$name.log)"
  # Not "if ! (...)": within a condition bash ignores set -e.
  set +e
  (
    set -e
    fetch_source "$package" "$work"
    "$step" "$(echo "$work/$package"-*/)" "$work/stage"
  ) >"$log" 2>&1
  status=$?
  set -e
  if ((status != 0)); then
    tail -n 30 "$log" >&2
    die "$what did not build; the whole log is $log"
  fi
  { echo "$recipe"; cat "$work/version"; } >"$work/stage/stamp"
  rm -rf "$prefix"
  mv "$work/stage" "$prefix"
  rm -rf "$work"
  say "$what $(source_version "$prefix") is in build/deps/$name"
}
