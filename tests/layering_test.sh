#!/usr/bin/env bash
# Which folder may include which: reads every #include of the source tree, and then of a planted one with known errors.
#   io, distributed, autograd -> tensor;  nn -> autograd;  data -> io;  train -> nn, data, distributed;  report -> data;
#   vilt -> all of these;  models -> the same, but never vilt;  vilt/command, which is the program -> models too
# CUDA headers appear in .cu files and under tensor/cuda/ alone.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Prints "FILE: includes HEADER" for every include of the tree $1 that points the wrong way.
violations() {
  # shellcheck disable=SC2016
  (cd "$1" && find . -type f -not -path './.*' -not -path './build*' \
    \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.inc' \) 2>/dev/null | sed 's,^\./,,' | LC_ALL=C sort |
    xargs -r awk '
      BEGIN {
        house = "tensor io distributed autograd nn data train report"
        all = house " vilt models"
        allowed["tensor"] = "tensor"
        allowed["io"] = "io tensor"
        allowed["distributed"] = "distributed tensor"
        allowed["autograd"] = "autograd tensor"
        allowed["nn"] = "nn autograd tensor"
        allowed["data"] = "data io tensor"
        allowed["train"] = "train nn autograd data io distributed tensor"
        allowed["report"] = "report data io tensor"
        allowed["vilt"] = house " vilt"
        allowed["models"] = house " models"
        allowed["tools"] = house
        allowed["examples"] = all " examples"
        allowed["tests"] = all " tests examples"
        allowed["bench"] = all " bench"
      }
      FNR == 1 {
        split(FILENAME, path, "/")
        if (!(path[1] in allowed)) print FILENAME ": its folder is in no list of tests/layering_test.sh"
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
        list = FILENAME ~ /^vilt\/command\// ? all : allowed[path[1]]
        if (path[1] in allowed) if (own ? !within(part[1], list) : quoted) print FILENAME ": includes " header
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

# A room with more files than these has rooms of its own.
crowded() { [[ $(find "$1/vilt" -maxdepth 1 -type f | wc -l) -gt 12 ]]; }
if crowded "$root"; then
  echo "not ok layering: at most a dozen files lie directly in vilt/"
else
  echo "ok layering: at most a dozen files lie directly in vilt/"
fi

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
cd "$planted" || exit 1
mkdir -p tensor/ops tensor/cuda autograd nn data vilt/command examples
wrong() { printf '#include %s\n' "$2" >>"$1" && expected+="$1: includes $3"$'\n'; }
right() { printf '#include %s\n' "$2" >>"$1"; }
expected=
wrong autograd/a.cpp '"nn/linear.h"' nn/linear.h
wrong autograd/a.cpp '<cuda_runtime.h>' cuda_runtime.h
wrong data/a.cpp '"vilt/model.h"' vilt/model.h
wrong nn/a.h '"data/images/image.h"' data/images/image.h
wrong nn/a.h '<data/images/image.h>' data/images/image.h
wrong nn/b.cpp '"a.h"' a.h
wrong tensor/ops/a.cpp '"autograd/tape.h"' autograd/tape.h
wrong tensor/ops/b.cpp '"../../nn/a.h"' ../../nn/a.h
wrong vilt/a.cpp '"tests/helper.h"' tests/helper.h
wrong vilt/b.cpp '"models/clip/model.h"' models/clip/model.h
right vilt/command/a.cpp '"models/clip/model.h"'
right data/a.cpp '"tensor/tensor.h"'
right examples/a.cpp '"vilt/model.h"'
right nn/a.h '<vector>'
right nn/a.h '"autograd/tape.h"'
right tensor/cuda/a.h '<cuda_runtime.h>'
right tensor/ops/a.cu '<cublasLt.h>'
right vilt/a.cpp '"data/images/image.h"'
right vilt/a.cpp '// "tests/helper.h"'
if [[ $(violations "$planted")$'\n' == "$expected" ]]; then
  echo "ok layering: planted errors are found, and nothing else"
else
  diff <(violations "$planted") <(printf '%s' "$expected")
  echo "not ok layering: planted errors are found, and nothing else"
fi
touch "$planted"/vilt/{1..12}.h
if crowded "$planted"; then echo "ok layering: a crowded folder is found"; else echo "not ok layering: a crowded folder is found"; fi
