#!/usr/bin/env bash
# Where nvcc is installed, it takes every kernel without a warning, for sm_80 and sm_90. $1: the build folder.
set -uo pipefail
build=$1

if ! ninja -C "$build" -t query cuda_kernels >/dev/null 2>&1; then
  echo "skipped: cuda kernels compiled by nvcc (there is no nvcc, or the build was configured without it)"
  exit 0
fi
if ninja --quiet -C "$build" cuda_kernels; then
  echo "ok cuda: nvcc compiles every kernel for sm_80 and sm_90"
else
  echo "not ok cuda: nvcc compiles every kernel for sm_80 and sm_90"
fi
