#!/usr/bin/env bash
# Which folder may include which: reads every #include of the source tree, and then of a planted one with known errors.
#   examples -> vilt -> nn -> autograd -> tensor,  vilt -> data -> tensor
# CUDA headers appear in .cu files and under tensor/cuda/ alone.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Prints "FILE: includes HEADER" for every include of the tree $1 that points the wrong way.
violations() {
  # shellcheck disable=SC2016
  (cd "$1" && find tensor autograd nn data vilt examples tests bench -type f \
    \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.inc' \) 2>/dev/null | sort |
    xargs -r awk '
      BEGIN {
        all = "tensor autograd nn data vilt"
        allowed["tensor"] = "tensor"
        allowed["autograd"] = "autograd tensor"
        allowed["nn"] = "nn autograd tensor"
        allowed["data"] = "data tensor"
        allowed["vilt"] = all
        allowed["examples"] = all " examples"
        allowed["tests"] = all " tests examples"
        allowed["bench"] = all " bench"
      }
      function within(folder, list) { return index(" " list " ", " " folder " ") > 0 }
      /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
        quoted = /include[ \t]*"/
        header = $0
        sub(/^[^<"]*[<"]/, "", header)
        sub(/[>"].*$/, "", header)
        split(FILENAME, path, "/")
        split(header, part, "/")
        own = within(part[1], all " examples tests bench") && header ~ /\//
        if (own ? !within(part[1], allowed[path[1]]) : quoted) print FILENAME ": includes " header
        if (header ~ /^(cuda|cublas|cudnn|curand|nvrtc|cutlass|cub\/)/ && FILENAME !~ /\.cuh?$|^tensor\/cuda\//)
          print FILENAME ": includes " header
      }')
}

found=$(violations "$root")
if [[ -z $found ]]; then
  echo "ok layering: every include points the right way"
else
  echo "$found"
  echo "not ok layering: every include points the right way"
fi

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
cd "$planted" || exit 1
mkdir -p tensor/ops tensor/cuda autograd nn data vilt examples
wrong() { printf '#include %s\n' "$2" >>"$1" && expected+="$1: includes $3"$'\n'; }
right() { printf '#include %s\n' "$2" >>"$1"; }
expected=
wrong autograd/a.cpp '"nn/linear.h"' nn/linear.h
wrong autograd/a.cpp '<cuda_runtime.h>' cuda_runtime.h
wrong data/a.cpp '"vilt/model.h"' vilt/model.h
wrong nn/a.h '"data/image.h"' data/image.h
wrong nn/a.h '<data/image.h>' data/image.h
wrong nn/b.cpp '"a.h"' a.h
wrong tensor/ops/a.cpp '"autograd/tape.h"' autograd/tape.h
wrong tensor/ops/b.cpp '"../../nn/a.h"' ../../nn/a.h
wrong vilt/a.cpp '"tests/helper.h"' tests/helper.h
right data/a.cpp '"tensor/tensor.h"'
right examples/a.cpp '"vilt/model.h"'
right nn/a.h '<vector>'
right nn/a.h '"autograd/tape.h"'
right tensor/cuda/a.h '<cuda_runtime.h>'
right tensor/ops/a.cu '<cublasLt.h>'
right vilt/a.cpp '"data/image.h"'
right vilt/a.cpp '// "tests/helper.h"'
if [[ $(violations "$planted")$'\n' == "$expected" ]]; then
  echo "ok layering: planted errors are found, and nothing else"
else
  diff <(violations "$planted") <(printf '%s' "$expected")
  echo "not ok layering: planted errors are found, and nothing else"
fi
