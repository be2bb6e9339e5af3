#!/bin/sh
# Called by `meson install`: copies the headers of the library, with their folders, to the include directory $1 (absolute, or
# relative to the prefix). Left out: those of the command, and the insides of kernels, whose vectors are as wide as the flags
# of their own compilation say, and those of CUDA kernels.
set -eu
case $1 in
  /*) target=${DESTDIR:-}$1 ;;
  *) target=$MESON_INSTALL_DESTDIR_PREFIX/$1 ;;
esac
cd "$(dirname "$0")/.."
find tensor autograd nn data vilt -path vilt/command -prune -o -name '*.h' -print | sort | while read -r header; do
  case $header in
    tensor/cuda/*) continue ;;
    tensor/ops/attention_bf16.h | tensor/ops/attention_strips.h | tensor/ops/attention_tiles.h) continue ;;
    tensor/ops/lanes.h | tensor/ops/layer_norm_rows.h | tensor/ops/linear_products.h | tensor/ops/pack.h) continue ;;
    tensor/bf16_lanes.h | tensor/ops/row_kernels.h | tensor/ops/scratch.h | tensor/ops/simd.h) continue ;;
    tensor/products/amx_tiles.h | tensor/products/avx512_blocks.h | tensor/products/plain_blocks.h) continue ;;
  esac
  mkdir -p "$target/$(dirname "$header")"
  install -m 644 "$header" "$target/$header"
done
