#!/usr/bin/env bash
# Counts the lines of what a reader has to know of the program: tensors and their ops, the tape, layers, ViLT's model, losses
# and input, training. Not counted: what makes the same numbers faster or on another device, file formats, data sets, reports
# and the command. Every line of a file counts, comments and blank ones too.
#   tools/count_core.sh [--files] [TREE]
# prints a line for each part, then the sum; with --files the lines of every file. TREE: another checkout.
set -euo pipefail
case ${1:-} in
  -h | --help) sed -n '2,/^set/{ s/^# \?//; /^set/d; p }' "$0"; exit 0 ;;
esac
files=''
if [[ ${1:-} == --files ]]; then files=1; shift; fi
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

# core FOLDER [EXCEPT...]: its .h and .cpp files but those whose whole path matches one of EXCEPT.
core() {
  local folder=$1 pattern except=()
  shift
  [[ -d $folder ]] || return 0
  for pattern; do except+=(-not -path "$pattern"); done
  find "$folder" -type f \( -name '*.h' -o -name '*.cpp' \) "${except[@]}"
}

list_part() {
  case $1 in
    # The GPU: cuda/, X_device.cpp, X_kernels.h. Packed products, lanes of vectors. bf16 and strips: attention's fast paths.
    tensor) core tensor 'tensor/cuda/*' '*_device.*' '*_kernels.h' '*_kernel_tiles.h' '*_mma_tiles.h' 'tensor/device.*' \
      'tensor/gemm/packed/*' 'tensor/simd/*' '*_bf16*' '*_strips*' ;;
    autograd) core autograd ;;
    nn) core nn ;;
    model) core vilt 'vilt/*/*' ;;
    input) core vilt/input; find data -maxdepth 1 \( -name 'loader.*' -o -name 'sampler.*' -o -name 'quarantine.*' \) ;;
    # A run's settings, evaluation and predictions of memory stand beside training, not in it.
    train) core train; core vilt/tasks '*settings.*' '*evaluation*' '*pointing.*' '*summary.*' '*memory.*' ;;
  esac
}

total=0
for part in tensor autograd nn model input train; do
  mapfile -t found < <(list_part "$part" | LC_ALL=C sort)
  lines=$(cat "${found[@]}" | wc -l)
  if [[ -n $files ]]; then wc -l "${found[@]}" | sed '/ total$/d'; fi
  printf '%-10s %4d files %6d lines\n' "$part" "${#found[@]}" "$lines"
  total=$((total + lines))
done
printf '%-10s %4s       %6d lines\n' 'in all' '' "$total"
