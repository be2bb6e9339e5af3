#!/usr/bin/env bash
# What a build took, by room: seconds of compiling and linking, added up over all processes, and the slowest files. Reads
# Ninja's log, so that it tells of what was built last, without what a compiler cache gave at once.
# usage: tools/build_times.sh [BUILD_FOLDER]
set -euo pipefail
log=${1:-build}/.ninja_log
[[ -f $log ]] || { echo "no $log; build first" >&2; exit 2; }
awk -F '\t' '
  /^#/ { next }
  { took[$4] = ($2 - $1) / 1000 }
  END {
    for (file in took) {
      seconds = took[file]
      total += seconds
      room = file
      if (file ~ /^tensor\/cuda\/(kernels_[0-9]+|gpu)\.o$/) room = "kernels for GPUs (nvcc)"
      else if (file ~ /emulated_kernels|libsimt/) room = "emulated GPU: kernels"
      else if (file ~ /tensor_emulated/) room = "emulated GPU: tensor/ once more"
      else if (file ~ /^tests\//) room = "tests/"
      else if (file ~ /^bench\//) room = "bench/"
      else if (file ~ /^examples\//) room = "examples/"
      else if (file ~ /tessera_tensor|^tensor\//) room = "tensor/"
      else if (file ~ /^vilt\.p|vilt\.p\//) room = "vilt/command/"
      else if (match(file, /libtessera_[a-z]+/)) room = substr(file, RSTART + 11, RLENGTH - 11) "/"
      else room = "linking and the rest"
      if (file !~ /\.o$/) room = "linking and the rest"
      sum[room] += seconds
      count[room]++
    }
    printf "build: %.0f s of processes\n", total
    for (room in sum) printf "  %-34s %4d files %7.1f s\n", room, count[room], sum[room] | "sort -k 1.50 -rn"
    close("sort -k 1.50 -rn")
    for (file in took) if (took[file] > 1) printf "  %7.1f s  %s\n", took[file], file | "sort -rn | head -n 8"
  }' "$log"
