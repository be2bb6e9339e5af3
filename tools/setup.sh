# shellcheck shell=bash
# Shared by ./run and ./test, which source it from the repository's root: Debian packages, the build folder, the time of
# each phase.

packages=(
  doctest-dev
  g++
  libcli11-dev
  libcpp-httplib-dev
  libeigen3-dev
  libgif-dev
  libjpeg62-turbo-dev
  libopenblas-serial-dev
  libpng-dev
  libtomlplusplus-dev
  libutf8proc-dev
  libwebp-dev
  libzip-dev
  libzstd-dev
  meson
  ninja-build
  nettle-dev
  nlohmann-json3-dev
  pkg-config
  zlib1g-dev
)

# For ./test --fuzz alone.
# shellcheck disable=SC2034
fuzz_packages=(
  clang
  libclang-rt-14-dev
)

# missing_packages PACKAGE...: those of them that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

# The words to put before apt-get; fails where packages may not be installed.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    echo env
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    echo sudo env
  else
    return 1
  fi
}

# True when apt's lists know every package given.
lists_know() {
  local package
  for package in "$@"; do
    apt-cache show "$package" >/dev/null 2>&1 || return 1
  done
}

# What every build needs.
install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "no dpkg here; Debian's names of what must be installed: ${packages[*]}"
  elif [[ -z $(missing_packages "${packages[@]}") ]]; then
    echo "packages: all installed"
  else
    install_missing "${packages[@]}" || exit 2
  fi
}

# install_missing PACKAGE...: true when all are installed in the end; else the reason is on standard error.
install_missing() {
  local missing words root
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  echo "packages missing: ${missing[*]}"
  if ! words=$(as_root); then
    echo "They cannot be installed from here: this is neither root nor a user with passwordless sudo. Run this, then try again:" >&2
    echo "  apt-get install ${missing[*]}" >&2
    return 1
  fi
  read -ra root <<<"$words"
  local install=("${root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}")
  local log
  log=$(mktemp)
  lists_know "${missing[@]}" || "${root[@]}" apt-get update >"$log" 2>&1 || true
  # Lists that are out of date name files that are gone: one update, one more try.
  if ! "${install[@]}" </dev/null >"$log" 2>&1 &&
    ! { "${root[@]}" apt-get update && "${install[@]}"; } </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    echo "apt-get could not install: ${missing[*]}" >&2
    return 1
  fi
  rm -f "$log"
  echo "packages installed: ${missing[*]}"
}

# configure DIRECTORY [OPTION...]: sets the build folder up if it is not there; else applies options that are new to it, and
# has Meson look for sources again when files were added, moved or removed (tools/sources.sh).
configure() {
  local directory=$1 log action=setup
  shift
  if [[ -f $directory/build.ninja ]]; then
    if [[ $(source_files) != "$(cat "$directory/sources.txt" 2>/dev/null)" ]]; then
      touch meson.build
      source_files >"$directory/sources.txt"
    fi
    [[ $# -eq 0 || $* == "$(cat "$directory/options.txt" 2>/dev/null)" ]] && return
    action=configure
  fi
  log=$(mktemp)
  if ! meson "$action" "$directory" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "meson could not configure $directory/" >&2
    return 1
  fi
  rm -f "$log"
  echo "$*" >"$directory/options.txt"
  source_files >"$directory/sources.txt"
}

# What tools/sources.sh may find.
source_files() { find . -name '*.cpp' -o -name '*.cu' | LC_ALL=C sort | grep -v '^./build'; }

# build DIRECTORY [TARGET...]: progress on a terminal, else warnings and errors alone. Callers set pipefail.
build() {
  local directory=$1
  shift
  if [[ -t 1 ]]; then
    ninja -C "$directory" "$@"
  else
    ninja --quiet -C "$directory" "$@" | { grep -v '^ninja: no work to do' || true; }
  fi
}

now() { date +%s.%N; }

# seconds_since TIME, with one decimal.
seconds_since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f", to - from }'; }
