#!/usr/bin/env bash
# A run that is killed again and again, mostly in the middle of a checkpoint, ends with the bits of one that was not.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_data
settings=("${tiny[@]}" train.steps=40 train.checkpoint_every=1 train.evaluate_every=20
  image.augment=randaugment)

started=${EPOCHREALTIME/./}
succeeds "uninterrupted run" "trained 40 steps" train "${settings[@]}" train.out=whole
step_ms=$(((${EPOCHREALTIME/./} - started) / 40000 + 1))
RANDOM=7
kills=0 resumed=0 damaged=0 halved=0
for attempt in {1..20}; do
  "$vilt" train "${settings[@]}" train.out=killed >output 2>&1 </dev/null &
  process=$!
  # Up to 12 attempts are killed within about four checkpoints of the first sight of one; then one may finish.
  if [[ $attempt -le 12 ]]; then
    delay=$((RANDOM % (4 * step_ms)))
    until compgen -G 'killed/partial-*' >/dev/null || ! kill -0 "$process" 2>/dev/null; do sleep 0.001; done
    sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
    { kill -9 "$process" && kills=$((kills + 1)); } 2>/dev/null
  fi
  wait "$process" 2>/dev/null
  status=$?
  compgen -G 'killed/partial-*' >/dev/null && halved=$((halved + 1))
  grep -q '^continuing from step' output && resumed=$((resumed + 1))
  if compgen -G 'killed/checkpoint-*' >/dev/null; then
    "$vilt" info killed >info 2>&1 || damaged=$((damaged + 1))
  fi
  [[ $status -eq 0 ]] && break
done
[[ $status -eq 0 ]]
report $? "the killed run finishes ($kills kills, $halved while writing, $resumed continued)"
[[ $kills -ge 1 && $resumed -ge 1 ]]
report $? "it was killed and has continued"
[[ $damaged -eq 0 ]]
report $? "whatever moment it was killed at, the newest checkpoint is whole"
for file in model.safetensors optimizer.safetensors config.json vocab.txt; do
  cmp -s whole/checkpoint-40/$file killed/checkpoint-40/$file
  report $? "same bits: $file"
done
without_time() { grep -v '"train_seconds"' "$1"; }
[[ $(without_time whole/summary.json) == "$(without_time killed/summary.json)" ]]
report $? "same final figures"
losses() { grep -o '"step":[0-9]*\|"loss":[^,]*\|"mlm_loss":[^,]*' "$1/metrics.jsonl"; }
steps() { grep '"learning_rate"' "$1/metrics.jsonl" | grep -o '"step":[0-9]*' | sort | uniq -d; }
[[ -z $(steps killed) && $(losses killed | tail -n 3) == "$(losses whole | tail -n 3)" ]]
report $? "metrics.jsonl has no step twice and ends alike"
[[ -z $(find killed -name 'partial-*') && $(find killed -name 'checkpoint-*' | wc -l) -eq 1 ]]
report $? "nothing half-written is left"

# Ctrl-C and a batch system's SIGTERM: nothing is lost.
signalled=("${settings[@]}" train.checkpoint_every=1000 train.out=signalled)
"$vilt" train "${signalled[@]}" >/dev/null 2>signalled.log </dev/null &
process=$!
until [[ -s signalled/metrics.jsonl ]] || ! kill -0 "$process" 2>/dev/null; do sleep 0.001; done
kill -TERM "$process" 2>/dev/null
wait "$process"
status=$?
[[ $status -eq 143 ]] && grep -q '^vilt: SIGTERM after step [0-9]* of 40: signalled/checkpoint-[0-9]* is written' signalled.log
report $? "SIGTERM ends a run after the step, says so, status 143"
"$vilt" train "${signalled[@]}" >output 2>&1 </dev/null
grep -q '^continuing from step' output && cmp -s whole/checkpoint-40/model.safetensors signalled/checkpoint-40/model.safetensors
report $? "and it goes on from there to the same bits"

"$vilt" train "${settings[@]}" train.out=busy train.steps=1000000 >busy.log 2>&1 </dev/null &
process=$!
until compgen -G 'busy/checkpoint-*' >/dev/null || ! kill -0 "$process" 2>/dev/null; do sleep 0.01; done
fails 2 "busy: another process is training there" train "${settings[@]}" train.out=busy train.steps=1000000
kill -9 "$process"
wait "$process" 2>/dev/null || true
