#!/usr/bin/env bash
# Ours and PyTorch's time for the same work, in turn, and the median of each pair's ratio. See usage below.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
usage: bench/compare.sh [--rounds N] WORK [flags of both programs]

Runs build/bench/vilt_bench and bench/peers/peer_vilt.py N times in turn (5 if not said otherwise) and prints for each
round both medians in milliseconds, then the median ratio PyTorch / ours (above 1: ours is faster) and the peak memory of
both. Rows of different work (tokens, masked words) are refused. Needs python3 with torch.

  bench/compare.sh step --model tiny --batch 32
  bench/compare.sh step --model small --batch 32
  bench/compare.sh step --model scenes --batch 32 --dropout 0
TEXT
}

rounds=5
while [[ ${1:-} == -* ]]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --rounds) rounds=$2; shift 2 ;;
    *) echo "unknown option $1 (see bench/compare.sh --help)" >&2; exit 2 ;;
  esac
done
[[ $# -gt 0 ]] || { usage >&2; exit 2; }

allocator=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
peer=(env)
if [[ -f $allocator ]]; then
  peer+=("LD_PRELOAD=$allocator" MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always)
else
  echo "note: libjemalloc2 is not installed; PyTorch runs slower than it could"
fi
peer+=(python3 bench/peers/peer_vilt.py)

# field NAME: its number in a JSON line on stdin.
field() { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" | tail -n 1; }
median() { sort -g | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

ratios=() ours='' theirs=''
for ((round = 1; round <= rounds; ++round)); do
  theirs=$("${peer[@]}" "$@" | tail -n 1)
  ours=$(build/bench/vilt_bench "$@" | tail -n 1)
  for name in tokens masked; do
    if [[ $(field $name <<<"$ours") != "$(field $name <<<"$theirs")" ]]; then
      echo "not the same work: $name differs"; echo "$ours"; echo "$theirs"
      exit 1
    fi
  done
  a=$(field ms <<<"$theirs") b=$(field ms <<<"$ours")
  ratios+=("$(awk -v a="$a" -v b="$b" 'BEGIN {print a / b}')")
  printf 'round %d  pytorch %9.2f ms   ours %9.2f ms   ratio %.2f\n' "$round" "$a" "$b" "${ratios[-1]}"
done
printf 'median ratio %.2f   peak memory: pytorch %d MiB, ours %d MiB\n' "$(printf '%s\n' "${ratios[@]}" | median)" \
  $(($(field peak_rss_bytes <<<"$theirs") >> 20)) $(($(field peak_rss_bytes <<<"$ours") >> 20))
