#!/usr/bin/env bash
# A training step may not come to take over 5 % more instructions unnoticed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
count=bench/count_instructions.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

report() {
  if [[ $1 -eq 0 ]]; then echo "ok $2"; else sed 's/^/    /' "$work/output"; echo "not ok $2"; fi
}

printf 'f32 1000\nbf16 500\nsome compiler\n' >"$work/stored"
$count --compare f32 1050 "$work/stored" >"$work/output" && grep -qF 'f32 step: 1050, stored 1000 (+5.00 %)' "$work/output"
report $? "5 % more instructions pass"
! $count --compare bf16 526 "$work/stored" >"$work/output" && grep -qF 'bf16 step: 526, stored 500' "$work/output" &&
  grep -qF 'bench/count_instructions.sh --accept' "$work/output"
report $? "more fail with both numbers and the command that accepts them"

$count >"$work/output" 2>&1
status=$?
if grep -q '^skipped: ' "$work/output"; then
  sed 's/^skipped: /skipped: instructions per step: /' "$work/output"
else
  report $status "$(grep -a '^instructions per ' "$work/output" | paste -sd ';' || echo "instructions per step are counted")"
fi
