#!/usr/bin/env bash
# bench/gpu_check on the emulated GPU: its stages, its two files and its exit status. $1: the build folder.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
build=$(realpath -- "${1:-build}")
if ! command -v python3 >/dev/null; then
  echo "skipped: gpu_check (needs python3)"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

report() {
  if [[ $1 -eq 0 ]]; then echo "ok gpu_check: $2"; else tail -n 40 "$work/output" | sed 's/^/    /'; echo "not ok gpu_check: $2"; fi
}
# Every argument is a Python expression about `record`, gpu_check.json.
holds() {
  python3 - "$work/out/gpu_check.json" "$@" <<'PYTHON'
import json, sys
record = json.load(open(sys.argv[1]))
stages = {stage["name"]: stage for stage in record["stages"]}
rows = lambda name: stages[name]["rows"]
wrong = [expression for expression in sys.argv[2:] if not eval(expression)]
print("\n".join("does not hold: " + expression for expression in wrong))
sys.exit(bool(wrong))
PYTHON
}

bench/gpu_check --emulated --build "$build" --out "$work/out" >"$work/output" 2>&1
report $? "all stages pass on the emulated GPU, status 0"
holds 'record["finished"] and record["seconds"] > 0 and record["machine"]["device"] == "emulated on the CPU"' \
  'list(stages) == ["ops", "goldens", "training", "steps", "products", "attention", "ranking"]' \
  'all(stage["status"] == "passed" for stage in stages.values())' \
  'all(row["passed"] > 0 and row["failed"] == 0 for row in rows("ops") + rows("goldens"))' \
  '[row["precision"] for row in rows("training")] == ["highest", "bf16"]' \
  '0 < rows("training")[0]["worst"]["loss"] < 1e-5 < rows("training")[1]["worst"]["loss"]' \
  'all(row["synchronisations"] == 0 and row["launches"] > 50 and row["samples_per_s"] > 0 for row in rows("steps"))' \
  '[row["cuda_graph"] for row in rows("steps")] == [False, True, False]' \
  'len(rows("products")) == 36 and {row["precision"] for row in rows("products")} == {"bf16", "tf32", "f32"}' \
  '{"auto", "plain", "tensor-cores"} <= {row["engine"] for row in rows("attention")}' \
  'len(rows("ranking")) == 2' >>"$work/output" 2>&1
report $? "gpu_check.json has what was measured"
table=$work/out/gpu_check.txt
grep -qF 'gpu_check: everything ran and passed' "$table" && grep -q '^training: passed' "$table" && grep -q 'samples/s' "$table" &&
  [[ $(find "$work/out" -type f | wc -l) -eq 2 ]]
report $? "gpu_check.txt says so, and nothing else is left"

# A build with a bench that waits in its steps, a command that is wrong and a test program that crashes.
mkdir -p "$work/fake/bench" "$work/fake/tests"
cat >"$work/fake/bench/vilt_bench_emulated" <<TEXT
#!/bin/sh
"$build/bench/vilt_bench_emulated" "\$@" | sed 's/"synchronisations": 0/"synchronisations": 2/'
TEXT
cat >"$work/fake/tests/vilt_emulated" <<TEXT
#!/bin/sh
echo "a planted error" >&2
exit 1
TEXT
cat >"$work/fake/tests/tests_cuda" <<'TEXT'
#!/bin/sh
echo '[doctest] test cases:  7 |  7 passed | 0 failed | 0 skipped'
kill -SEGV $$
TEXT
chmod +x "$work/fake"/*/*
bench/gpu_check --emulated --build "$work/fake" --stages ops,goldens,training,steps,ranking --out "$work/out" >"$work/output" 2>&1
[[ $? -eq 1 ]] && holds '[s["status"] for s in record["stages"]] == ["failed"] * 4 + ["passed"]' \
  '"a planted error" in stages["ops"]["problems"][0] and "signal 11" in stages["ops"]["problems"][1]' \
  '"is not built" in stages["goldens"]["problems"][0] and "a planted error" in stages["training"]["problems"][0]' \
  '"waits for the device 2 times" in stages["steps"]["problems"][0]' >>"$work/output" 2>&1 &&
  grep -q '^gpu_check: failed: ops, goldens, training, steps;' "$table" && grep -q 'FAILED: .*waits for the device 2 times' "$table"
report $? "stages that fail are told in both files and by status 1, and the others run"

bench/gpu_check --stages nonsense >"$work/output" 2>&1
[[ $? -eq 2 ]] && grep -q "no stage 'nonsense'" "$work/output"
report $? "a stage that there is not, status 2"
if python3 -c 'import ctypes; ctypes.CDLL("libcuda.so.1")' 2>/dev/null; then
  echo "skipped: gpu_check without a GPU (there is a driver here)"
else
  bench/gpu_check --build "$build" >"$work/output" 2>&1
  [[ $? -eq 2 && $(wc -l <"$work/output") -eq 1 ]] && grep -q '^gpu_check: no GPU can be used here: ' "$work/output"
  report $? "without a GPU one line says so, status 2"
fi
