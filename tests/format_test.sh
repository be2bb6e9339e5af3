#!/usr/bin/env bash
# Every source file is laid out by .clang-format, and one that is not is found.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$root/tools/format.sh" --check >"$work/output" 2>&1
status=$?
if [[ $status -eq 77 ]]; then
  echo "skipped: format ($(<"$work/output"))"
  exit 0
fi
if [[ $status -eq 0 ]]; then
  echo "ok format: every source file"
else
  grep -a 'error:' "$work/output" | head -n 40
  echo "not ok format: tools/format.sh lays these files out"
fi

cp "$root/.clang-format" "$work"
printf 'int  twice(int x) {\n    return 2*x;\n}\n' >"$work/planted.cpp"
if "$root/tools/format.sh" --check "$work/planted.cpp" >"$work/output" 2>&1; then
  echo "not ok format: planted spaces were not found"
elif "$root/tools/format.sh" "$work/planted.cpp" && [[ $(<"$work/planted.cpp") == 'int twice(int x) { return 2 * x; }' ]] &&
  "$root/tools/format.sh" --check "$work/planted.cpp"; then
  echo "ok format: planted spaces are found and mended"
else
  cat "$work/output"
  echo "not ok format: planted spaces were not mended"
fi
