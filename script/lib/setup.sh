# What script/run, script/test and .ci/run share: packages, and one build at a time. To be sourced by bash.
# Everything here writes to standard error only, and a second call with nothing to do takes milliseconds.
# shellcheck shell=bash disable=SC2034 # the package lists are used by those that source this

# To build and run osync.
BUILD_PACKAGES=(g++ cmake ninja-build pkg-config libboost-dev libzmq3-dev cppzmq-dev libyaml-cpp-dev libspdlog-dev
  catch2 libxxhash-dev protobuf-compiler libprotobuf-dev libcli11-dev nlohmann-json3-dev)
# What the tests run beside it.
TEST_PACKAGES=(acl attr rsync e2fsprogs xfsprogs btrfs-progs util-linux mount iproute2 git strace python3)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# quietly WHAT COMMAND...: runs COMMAND; its output is shown, on standard error, only when it fails.
quietly() {
  local what=$1 log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
    return 0
  fi
  cat "$log" >&2
  rm -f "$log"
  say "$what failed: $*"
  return 1
}

# missing_packages PACKAGE...: prints those that are not installed, one a line.
missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    grep -qxF -- "$package installed" <<<"$installed" || printf '%s\n' "$package"
  done
}

# ensure_packages PACKAGE...: installs what is missing, as root or through sudo; stops with exit 2 where it may not.
ensure_packages() {
  local missing
  if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian: please install what Debian calls $*"
    return 2
  fi
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} == 0)) && return 0

  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      say "neither root nor sudo without a password: please install ${missing[*]}"
      return 2
    fi
    as_root=(sudo -n)
  fi
  say "installing ${missing[*]}"
  # Old lists may still do, so a failed update alone is no reason to stop.
  quietly "updating the package lists" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update ||
    say "going on with the package lists that are there"
  quietly "installing packages" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o DPkg::Lock::Timeout=300 --no-remove --no-install-recommends install "${missing[@]}" || return 2
}

# lock_build: waits until no other script builds in this checkout; holds until unlock_build or exit.
lock_build() {
  mkdir -p build
  exec 9>build/.lock
  if ! flock -n 9; then
    say "waiting for another build in $PWD/build"
    flock 9
  fi
}
unlock_build() { exec 9>&-; }

# configure PRESET: only when it was never done or the presets changed since; otherwise ninja finds out by itself.
configure() {
  local ready=build/$1/build.ninja launcher=()
  if [[ -e $ready && ! CMakePresets.json -nt $ready ]]; then
    return 0
  fi
  command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  quietly "configuring $1" cmake --preset "$1" "${launcher[@]}"
}

# plugin_targets: every folder below plugins/ with a CMakeLists.txt is one plugin and one target.
plugin_targets() {
  local list
  for list in plugins/*/CMakeLists.txt; do
    if [[ -e $list ]]; then basename "$(dirname "$list")"; fi
  done
}
