#!/usr/bin/env bash
# How many instructions a training step takes, against a stored number. See usage below.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stored=bench/instructions_per_step.txt

usage() {
  cat <<'TEXT'
usage: bench/count_instructions.sh [--accept]
       bench/count_instructions.sh --compare COUNT FILE

Counts, with valgrind's callgrind, the instructions of one update of the tiny model on one thread, compiled for any x86-64
(in build-instructions/) so that the number is the same on every machine with the same compiler and OpenBLAS. Fails when
it is more than 5 % above the number in bench/instructions_per_step.txt.

  --accept   stores the new number
  --compare  compares a number that has been counted before with a file

The functions that take most: callgrind_annotate build-instructions/callgrind.out
TEXT
}

# compare COUNT FILE: the file's first line is a number.
compare() {
  awk -v now="$1" -v file="$2" -v before="$(head -n 1 "$2")" 'BEGIN {
    printf "instructions per step: %d, stored %d (%+.2f %%)\n", now, before, 100 * (now / before - 1)
    if (now <= 1.05 * before) exit 0
    printf "that is more than 5 %% above the number in %s\n", file
    print "if it is wanted: bench/count_instructions.sh --accept"
    exit 1
  }'
}

accept=''
case ${1:-} in
  '') ;;
  --accept) accept=1 ;;
  --compare) compare "$2" "$3"; exit ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

command -v valgrind >/dev/null && [[ -f /usr/include/valgrind/callgrind.h ]] || { echo "skipped: valgrind is not installed"; exit 0; }
[[ $(uname -m) == x86_64 ]] || { echo "skipped: counted on x86-64 alone"; exit 0; }

# Both decide the number, and neither is ours.
tools="g++ $(g++ -dumpfullversion), OpenBLAS $(pkg-config --modversion openblas)"
if [[ -z $accept && $(sed -n 2p "$stored") != "$tools" ]]; then
  echo "skipped: counted with $(sed -n 2p "$stored"), here are $tools"
  exit 0
fi
build=build-instructions
[[ -f $build/build.ninja ]] || meson setup "$build" --buildtype=release -Dnative=false >/dev/null
ninja --quiet -C "$build" bench/step_instructions >/dev/null

# valgrind knows no AVX-512 and is a hundred times slower where multiplication and addition are one instruction, so OpenBLAS
# is told to take kernels without either.
export OPENBLAS_CORETYPE=Sandybridge
log=$build/callgrind.log
timeout 300 valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$build/callgrind.out" "$build/bench/step_instructions" >"$log" 2>&1 ||
  { tail "$log"; exit 1; }
count=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log")
[[ -n $count ]] || { tail "$log"; exit 1; }
if [[ -n $accept ]]; then
  printf '%s\n%s\n' "$count" "$tools" >"$stored"
  echo "stored: $count instructions per step ($tools)"
else
  compare "$count" "$stored"
fi
