#!/usr/bin/env bash
# Installs into an empty folder and compiles a consumer with nothing but pkg-config's flags; then finds the library from
# another Meson project. $1: the build folder.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

report() { if [[ $1 -eq 0 ]]; then echo "ok install: $2"; else echo "not ok install: $2"; fi; }

DESTDIR=$work/tree meson install -C "$build" --no-rebuild --quiet
report $? "meson install"

pc=$(find "$work/tree" -name tessera.pc)
include=$(find "$work/tree" -type d -path '*/include/tessera')
# The insides of kernels, whose vectors are as wide as the flags of their own compilation say, and CUDA kernels are not for users.
inside='tensor/(simd/.+|cuda/.+|.*_(kernels|kernel_tiles|device)|ops/attention/attention_.+|ops/(linear_products|scratch)|gemm/packed/(amx_tiles|avx512_blocks|plain_blocks))\.h'
expected=$(cd "$root" && find tensor io distributed autograd nn data train report models vilt -path vilt/command -prune -o -path vilt/serve -prune -o -name '*.h' -print |
  grep -vxE "$inside" | sort)
diff <(echo "$expected") <(cd "$include" && find -- * -type f | sort)
report $? "all headers, in their folders"

export PKG_CONFIG_PATH=${pc%/*}
# What users compile with is their own affair, but for the headers' place, the standard and threads.
[[ $(pkg-config --cflags tessera | xargs -n 1 | grep -vE '/include/tessera$' | sort | xargs) == '-pthread -std=c++20' ]]
report $? "pkg-config passes no flag that only the library itself is compiled with"
[[ $(ninja -C "$build" -t inputs all | grep -cE "^(tests|bench|examples)/") == 0 ]]
report $? "neither tests nor examples are built to install"
cd "$work" || exit 1
# shellcheck disable=SC2046
"${CXX:-c++}" "$here/consumer.cpp" $(pkg-config --cflags --libs tessera) -o consumer
report $? "a consumer compiles with pkg-config's flags"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir tessera) ./consumer >output && [[ $(<output) == 1.5 ]]
report $? "the consumer runs"

mkdir -p project/subprojects
ln -s "$root" project/subprojects/tessera
cp "$here/consumer.cpp" project/
cat >project/meson.build <<'MESON'
project('consumer', 'cpp', default_options: 'cpp_std=c++20')
executable('consumer', 'consumer.cpp', dependencies: dependency('tessera', fallback: 'tessera'))
MESON
env -u PKG_CONFIG_PATH meson setup project/build project >log 2>&1 || { cat log; false; }
report $? "another Meson project finds it as a subproject"
