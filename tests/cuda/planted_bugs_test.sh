#!/usr/bin/env bash
# Bugs planted into the real kernels, one at a time: the tests of that kernel have to notice each. A kernel is compiled
# anew with the bug, as the build compiles it, and linked before the others. $1: the build folder.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

commands=$(ninja -C "$build" -t commands tests/tests_cuda)
link=$(tail -n 1 <<<"$commands")

# A kernel's file, wherever under tensor/ops it lies.
file_of() { (cd "$root" && find tensor/ops -name "$1.cu"); }

# The command that compiles kernels for the emulation, the same for each.
compile=$(grep -F 'kernels_0.cpp.o -c' <<<"$commands" | grep -F emulated_kernels | head -n 1)
compile=${compile%% -MD *}
if [[ -z $compile ]]; then
  echo "not ok planted bugs (no command of the build compiles kernels for the emulation)"
  exit 1
fi
if [[ $compile != *TESSERA_SIMT_ACCESSES* ]]; then
  echo "skipped: cuda planted bugs (accesses are not checked in this build)"
  exit 0
fi

# $work/tests with $work/kernel.cu in place of the kernel that it was made from.
build_with() {
  (cd "$build" && eval "$compile -Wno-error -x c++ -c $work/kernel.cu -o $work/kernel.o" &&
    eval "${link/ -o tests\/tests_cuda / -o $work/tests -Wl,--allow-multiple-definition $work/kernel.o }")
}

# plant BUG KERNEL TESTS OLD NEW: OLD, on one line of KERNEL.cu, becomes NEW.
plant() {
  local name="$2: $1" text
  text=$(<"$root/$(file_of "$2")")
  if [[ $text != *"$4"* ]]; then
    echo "not ok planted $name (the place is gone)"
    return
  fi
  printf '%s\n' "${text/"$4"/"$5"}" >"$work/kernel.cu"
  if ! build_with >"$work/log" 2>&1; then
    cat "$work/log"
    echo "not ok planted $name (it does not compile)"
  else
    timeout 120 "$work/tests" -tc="$3" >"$work/log" 2>&1
    local status=$?
    if grep -q '^\[doctest\] test cases: .*[1-9][0-9]* failed' "$work/log"; then
      echo "ok planted $name"
    else
      tail -n 20 "$work/log"
      echo "not ok planted $name (exit status $status)"
    fi
  fi
}

# A kernel that is built in this way without a bug is right.
cp "$root/tensor/ops/softmax.cu" "$work/kernel.cu"
if build_with >"$work/log" 2>&1 && "$work/tests" -tc='cuda softmax*' >"$work/log" 2>&1; then
  echo "ok planted nothing"
else
  cat "$work/log"
  echo "not ok planted nothing"
fi

plant 'no barrier before the next tile' attention 'cuda attention and*' '__syncthreads();  // the tile before has been read' ''
plant 'no barrier in the warp' attention 'cuda attention and*' '__syncwarp();' ''
plant 'a sum is not scaled' attention 'cuda attention and*' 'sum = sum * shrink + warp_sum(p);' 'sum = sum + warp_sum(p);'
plant 'the mask of another key' attention 'cuda attention and*' 'head) + key0 + lane, p);' \
  'head) + key0 + lane + 1, p);'
plant 'the mask of another head' attention_backward 'cuda attention and*' 'sizes.heads, head) + key0 + row;' \
  'sizes.heads, 0) + key0 + row;'
plant 'the sum of what was dropped' attention_backward 'cuda attention and*' 'ds = whole * (dp' 'ds = p * (dp'
plant 'no barrier before the next tile' attention_tensor_cores 'cuda attention on tensor cores*' \
  '__syncthreads();  // the next tile is there, and this one has been read' ''
plant 'copies are not waited for' attention_tensor_cores 'cuda attention on tensor cores*' 'copies.wait();' ''
plant 'a key that is not seen' attention_tensor_cores 'cuda attention on tensor cores*' 'key >= visible[half]' \
  'key > visible[half]'
plant 'no barrier before a place is used again' attention_tensor_cores_backward 'cuda attention on tensor cores*' \
  "__syncthreads();  // the owned rows' place is free" ''
plant 'numbers of another tile' attention_tensor_cores_backward 'cuda attention on tensor cores*' \
  'store_numbers(next, stage ^ 1);' 'store_numbers(next, stage);'
plant 'one class too many' cross_entropy 'cuda cross_entropy*' 'if (t < classes - tail)' 'if (t <= classes - tail)'
plant 'the mask of another row' layer_norm 'cuda dropout_add*' 'mask.apply(row * d + i, v);' \
  'mask.apply(row * d + i + d, v);'
plant 'a column too many' scatter_rows 'cuda scatter*' 'if (c >= entries.width || end' 'if (end'
plant 'long rows are summed twice' scatter_rows 'cuda scatter*' '|| end - begin > SortedEntries::kPiece ' ''
plant 'no barrier before the next tile' cosine_cost 'cuda cosine_cost*' \
  '__syncthreads();  // the tiles before have been read' ''
plant 'the last sample ends elsewhere' transport_distance 'cuda transport*' 'end = offsets[s + 1];' \
  'end = offsets[s + 1] + 1;'
plant 'no barrier in the iteration' ipot 'cuda ipot equals*' '__syncthreads();  // q and sigma are written' ''
plant 'a row too many' layer_norm 'cuda layer_norm*' 'if (row >= rows) return;' ''
plant 'the part along the row stays' l2_normalise 'cuda l2_normalise*' 'g[j] - v[j] * along' 'g[j]'
plant 'the last columns are not padded' matmul 'cuda gemm equals*' 'if (i >= rows || j >= columns) return 0;' \
  'if (i >= rows) return 0;'
plant 'no barrier before the tile is read' matmul 'cuda gemm equals*' '__syncthreads();' ''
plant 'a range of rows too long' linear 'cuda column sums*' 'min(begin + length, rows)' 'begin + length'
plant 'no barrier before groups are added' linear 'cuda column sums*' '__syncthreads();' ''
plant 'the mass of targets is forgotten' soft_cross_entropy 'cuda soft_cross_entropy*' 'weight * probability' 'probability'
plant 'beta divides nothing' regression_loss 'cuda regression*' 'slope = d / beta' 'slope = d'
plant 'the last of equal ones' ranking_hinge 'cuda ranking_hinge*' 'index < than_index' 'index > than_index'
plant 'rows that nothing is carried to' gru 'cuda gru*' 'row < carried ? product[at] : 0.0f' 'product[at]'
plant 'a cell too many' roi_align 'cuda roi_align*' 'cell < first + count' 'cell <= first + count'
plant 'the last of equal cells' roi_pool 'cuda roi_pool*' '!(value > most)' '!(value >= most)'
plant 'no barrier before the warps are read' contrastive 'cuda contrastive*' '__syncthreads();' ''
plant 'an element before the plane' conv2d 'cuda conv2d and*' 'if (place < 0 || place >= w.input.width)' \
  'if (place >= w.input.width)'
plant 'a pixel that is not the window'"'"'s' conv2d 'cuda conv2d and*' '|| start % stride != 0 ' ''
plant 'the last of equal maxima' max_pool2d 'cuda max_pool2d*' '!(value > most' '!(value >= most'
plant 'the window before' avg_pool2d 'cuda pooling*' 'i < down.end; ++i' 'i + 1 < down.end; ++i'
plant 'the mean of the batch is a constant' batch_norm 'cuda batch_norm*' 'of_batch ? db / count : 0' '0'
