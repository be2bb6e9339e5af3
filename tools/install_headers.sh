#!/bin/sh
# Called by `meson install`: copies the headers of the library, with their folders, to the include directory $1 (absolute, or
# relative to the prefix). Left out: those of the command and its server, and the insides of kernels, whose vectors are as wide as the flags
# of their own compilation say, and those of CUDA kernels.
set -eu
case $1 in
  /*) target=${DESTDIR:-}$1 ;;
  *) target=$MESON_INSTALL_DESTDIR_PREFIX/$1 ;;
esac
cd "$(dirname "$0")/.."
find tensor io distributed autograd nn data train report models vilt -path vilt/command -prune -o -path vilt/serve -prune -o -name '*.h' -print | sort |
  while read -r header; do
  case $header in
    tensor/cuda/* | tensor/simd/* | tensor/*_kernels.h | tensor/*_kernel_tiles.h | tensor/*_device.h) continue ;;
    tensor/ops/attention/attention_*) continue ;;
    tensor/ops/linear_products.h | tensor/ops/scratch.h) continue ;;
    tensor/gemm/packed/amx_tiles.h | tensor/gemm/packed/avx512_blocks.h | tensor/gemm/packed/plain_blocks.h) continue ;;
  esac
  mkdir -p "$target/$(dirname "$header")"
  install -m 644 "$header" "$target/$header"
done
