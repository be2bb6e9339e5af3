#!/usr/bin/env bash
# Lays the C++ and CUDA files out by .clang-format, with clang-format 14 as Debian 12 has it: other versions differ.
#   tools/format.sh [--check] [FILE...]
# FILE: only these; default: all of the tree. --check writes nothing, prints what is laid out otherwise and exits with 1
# if anything is. Exit status 77: there is no clang-format 14.
set -euo pipefail

formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [[ -z $formatter || $("$formatter" --version) != *" version 14."* ]]; then
  echo "clang-format 14 is not installed" >&2
  exit 77
fi
# A second pass finishes what the first one moved.
arguments=(-i) passes=2
if [[ ${1:-} == --check ]]; then
  arguments=(--dry-run -Werror) passes=1
  shift
fi
if [[ $# -eq 0 ]]; then
  cd "$(dirname "${BASH_SOURCE[0]}")/.."
  mapfile -t files < <(find . -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) -not -path './.*' \
    -not -path './build*' -not -path './runs/*' | LC_ALL=C sort)
  set -- "${files[@]}"
fi
for ((pass = 0; pass < passes; ++pass)); do
  printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -n 40 "$formatter" "${arguments[@]}" || exit 1
done
