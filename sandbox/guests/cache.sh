# Where built guests are kept, and how they are named. Sourced by the scripts here.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${REKINDLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rekindle}

say() { echo "guests: $*" >&2; }
die() { say "$*"; exit 1; }

# need COMMAND...: stops with the way out when the host lacks one of them.
need() {
  local command missing=()
  # mke2fs, sfdisk and mkfs.vfat live in sbin, which not every user has in the PATH.
  PATH=$PATH:/usr/sbin:/sbin
  for command in "$@"; do
    command -v "$command" >/dev/null || missing+=("$command")
  done
  [ ${#missing[@]} = 0 ] ||
    die "this host lacks ${missing[*]}; run ./run setup, which installs the packages" \
      "of sandbox/guests/packages"
}

# hash_of FILE_OR_FOLDER...: a name for their contents and modes.
hash_of() {
  (cd "$here" && find "$@" -type f -printf '%m %p\n' | LC_ALL=C sort |
    while read -r mode file; do
      printf '%s %s %s\n' "$mode" "$file" "$(sha256sum <"$file")"
    done) | sha256sum | cut -c1-16
}
