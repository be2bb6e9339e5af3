#!/usr/bin/env bash
# Bugs planted into the real kernels, one at a time: the tests of that kernel have to notice each. A kernel is compiled anew
# with the bug, as the build compiles it, and linked with the tests. $1: the build folder.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# BUG | KERNEL | TESTS | OLD | NEW, of which OLD is a fixed string on one line.
bugs=(
  'attention: no barrier before the next tile|attention|cuda attention*|__syncthreads();  // the tile before has been read|'
  'attention: no barrier in the warp|attention|cuda attention*|__syncwarp();|'
  'attention: a sum is not scaled|attention|cuda attention*|sum = sum * shrink + warp_sum(p);|sum = sum + warp_sum(p);'
  'cross_entropy: one class too many|cross_entropy|cuda cross_entropy*|c < classes; c += kThreads) most|c <= classes; c += kThreads) most'
  'dropout_add_layer_norm: the mask of another row|dropout_add_layer_norm|cuda dropout_add*|mask.apply(row * d + i, v);|mask.apply(row * d + i + d, v);'
  'gather_rows: a tail that is written twice|gather_rows|cuda scatter*|if (c >= width) return;|'
  'ipot: no barrier in the iteration|ipot|cuda ipot*|__syncthreads();  // q and sigma are written|'
  'layer_norm: a row too many|layer_norm|cuda layer_norm*|if (row >= rows) return;|'
  'matmul: a tile is not padded|matmul|cuda matmul*|ra < m && ka < k ?|ra < m ?'
)

# The command that compiles a kernel, and the objects of the tests.
command_of() {
  ninja -C "$build" -t commands tests/tests_cuda | grep -F -- "_tensor_ops_$1_cu.cpp.o -c" | head -n 1
}
link=$(ninja -C "$build" -t commands tests/tests_cuda | tail -n 1)

if [[ -z $(command_of attention) || $(command_of attention) != *TESSERA_SIMT_ACCESSES* ]]; then
  echo "skipped: cuda planted bugs (accesses are not checked in this build)"
  exit 0
fi

for bug in "${bugs[@]}"; do
  IFS='|' read -r name kernel tests old new <<<"$bug"
  cp "$root/tensor/ops/$kernel.cu" "$work/kernel.cu"
  sed -i "s|$(sed 's/[].[*^$]/\\&/g' <<<"$old")|$new|" "$work/kernel.cu"
  if cmp -s "$root/tensor/ops/$kernel.cu" "$work/kernel.cu"; then
    echo "not ok planted $name (the place is gone)"
    continue
  fi
  compile=$(command_of "$kernel")
  compile=${compile/-c */-x c++ -c $work/kernel.cu}
  compile=$(sed -E "s| -o [^ ]+\.o | -o $work/kernel.o |" <<<"$compile")
  if ! (cd "$build" && eval "$compile" && eval "$(sed -E "s| -o tests/tests_cuda | -o $work/tests $work/kernel.o |" <<<"$link")"); then
    echo "not ok planted $name (it does not compile)"
  elif "$work/tests" -tc="$tests" >"$work/log" 2>&1; then
    echo "not ok planted $name"
  else
    echo "ok planted $name"
  fi
done
