#!/usr/bin/env bash
# What ./run and ./test do about missing packages, with apt-get and its friends replaced by scripts that only take notes.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
PATH=$work/bin:$PATH
export work

command_that() { printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1" && chmod +x "$work/bin/$1"; }
# shellcheck disable=SC2016
command_that dpkg-query 'for name; do :; done; grep -qx "$name" "$work/installed" && printf installed'
# shellcheck disable=SC2016
command_that apt-cache 'grep -qx "$2" "$work/known"'
# shellcheck disable=SC2016
command_that apt-get 'echo "$*" >>"$work/calls"
  case "$1" in update) cp "$work/archive" "$work/known" ;; *) cmp -s "$work/known" "$work/archive" ;; esac'

# with MAY_INSTALL: calls install_packages for the packages alpha, beta and gamma.
with() {
  : >"$work/calls"
  (
    source "$root/tools/setup.sh"
    # shellcheck disable=SC2034
    packages=(alpha beta gamma)
    as_root() { [[ $may == yes ]] && echo env; }
    may=$1
    install_packages
  ) >"$work/output" 2>&1
  status=$?
}
report() { if [[ $1 -eq 0 ]]; then echo "ok packages: $2"; else cat "$work/output" "$work/calls"; echo "not ok packages: $2"; fi; }
says() { grep -qF -- "$1" "$work/output"; }
wanted='install -y --no-install-recommends beta gamma'
printf '%s\n' alpha beta gamma >"$work/archive"

echo alpha >"$work/installed"
cp "$work/archive" "$work/known"
with no
[[ $status -eq 2 && ! -s $work/calls ]] && says "packages missing: beta gamma" && says "  apt-get install beta gamma"
report $? "without rights the line to type is printed, status 2"

with yes
[[ $status -eq 0 && $(<"$work/calls") == "$wanted" ]] && says "packages installed: beta gamma"
report $? "known packages are installed without an update"

echo alpha >"$work/known"
with yes
[[ $status -eq 0 && $(<"$work/calls") == "update"$'\n'"$wanted" ]]
report $? "unknown packages need an update first"

printf '%s\n' alpha beta gamma old >"$work/known"
with yes
[[ $status -eq 0 && $(<"$work/calls") == "$wanted"$'\n'"update"$'\n'"$wanted" ]]
report $? "a failed installation is tried again after an update"

cp "$work/archive" "$work/installed"
with no
[[ $status -eq 0 && ! -s $work/calls ]] && says "all installed"
report $? "nothing is done when all are installed"
