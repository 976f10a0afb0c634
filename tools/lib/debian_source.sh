# Fetches the source of one of Debian's packages, with Debian's patches. Sourced by tools/setup.
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
