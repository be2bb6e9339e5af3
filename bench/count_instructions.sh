#!/usr/bin/env bash
# How many instructions a training step takes, against a stored number. See usage below.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stored=bench/instructions_per_step.txt

usage() {
  cat <<'TEXT'
usage: bench/count_instructions.sh [--accept]
       bench/count_instructions.sh --compare PRECISION COUNT FILE

Counts, with valgrind's callgrind, the instructions of one update of the tiny model in f32 and in bf16 on one thread, compiled
for any x86-64 (in build-instructions/) so that the numbers are the same on every machine with the same compiler and OpenBLAS.
Fails when one is more than 5 % above that in bench/instructions_per_step.txt.

  --accept   stores the new numbers
  --compare  compares a number that has been counted before with a file

The functions that take most: callgrind_annotate build-instructions/callgrind.PRECISION
TEXT
}

# compare PRECISION COUNT FILE: the file has a line "PRECISION NUMBER".
compare() {
  local before
  before=$(sed -n "s/^$1 //p" "$3")
  [[ -n $before ]] || { echo "$3 has no line '$1 NUMBER'"; return 1; }
  awk -v precision="$1" -v now="$2" -v file="$3" -v before="$before" 'BEGIN {
    printf "instructions per %s step: %d, stored %d (%+.2f %%)\n", precision, now, before, 100 * (now / before - 1)
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
  --compare) compare "$2" "$3" "$4"; exit ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

command -v valgrind >/dev/null && [[ -f /usr/include/valgrind/callgrind.h ]] || { echo "skipped: valgrind is not installed"; exit 0; }
[[ $(uname -m) == x86_64 ]] || { echo "skipped: counted on x86-64 alone"; exit 0; }

# Both decide the number, and neither is ours.
tools="g++ $(g++ -dumpfullversion), OpenBLAS $(pkg-config --modversion openblas)"
if [[ -z $accept && $(tail -n 1 "$stored") != "$tools" ]]; then
  echo "skipped: counted with $(tail -n 1 "$stored"), here are $tools"
  exit 0
fi
build=build-instructions
[[ -f $build/build.ninja ]] || meson setup "$build" --buildtype=release -Dnative=false >/dev/null
ninja --quiet -C "$build" bench/step_instructions >/dev/null

# valgrind knows no AVX-512 and is a hundred times slower where multiplication and addition are one instruction, so OpenBLAS
# and the products of bf16 are told to take kernels without either.
export OPENBLAS_CORETYPE=Sandybridge TESSERA_ISA=portable
# count PRECISION
count() {
  local log=$build/callgrind.$1.log number
  timeout 300 valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$build/callgrind.$1" \
    "$build/bench/step_instructions" "$1" >"$log" 2>&1 || { tail "$log" >&2; return 1; }
  number=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log")
  [[ -n $number ]] || { tail "$log" >&2; return 1; }
  echo "$number"
}

f32=$(count f32)
bf16=$(count bf16)
if [[ -n $accept ]]; then
  printf 'f32 %s\nbf16 %s\n%s\n' "$f32" "$bf16" "$tools" >"$stored"
  echo "stored: $f32 instructions per f32 step, $bf16 per bf16 step ($tools)"
else
  status=0
  compare f32 "$f32" "$stored" || status=1
  compare bf16 "$bf16" "$stored" || status=1
  exit $status
fi
