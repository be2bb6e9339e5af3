#!/usr/bin/env bash
# --device cuda: what is said where it cannot be; and, on an emulated GPU, the command's figures are the CPU's.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
emulated=$(dirname "$vilt")/tests/vilt_emulated
call scenes --kind scenes --out data --train 40 --val 4 --test 2 --test-unseen 2 && [[ $status -eq 0 ]] || exit 1
call vocab --kind scenes --captions data/dataset.json --out data/vocab.txt && [[ $status -eq 0 ]] || exit 1
short=("${tiny[@]}" train.batch_size=2 train.steps=4 train.evaluate_every=2 train.checkpoint_every=2
  train.evaluate_samples=2 train.log_every=1 data.max_bad_files=0)
image=$(find data/images/test -name '*.jpg' | sort | head -n 1)
captions=(--captions data/dataset.json --images data/images --annotations data/annotations.jsonl)

numbers() { grep -oE -- '-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?' "$1"; }
# near FILE FILE BOUND: as many numbers, each within BOUND of the other, or of its size where that is above 1.
near() {
  paste -d ' ' <(numbers "$1") <(numbers "$2") | awk -v bound="$3" '
    NF != 2 { bad = 1; next }
    { off = $1 - $2; size = $1 < 0 ? -$1 : $1; if (size < 1) size = 1; if (off < 0) off = -off; if (off > bound * size) bad = 1 }
    END { exit NR == 0 || bad }'
}
# What training was like, step by step; without times.
figures() { grep -oE '"(step|learning_rate|loss|[a-z]+_loss|grad_norm|mlm_accuracy|itm_accuracy)":[^,}]*' "$1/metrics.jsonl"; }
# trained_alike RUN NAME: as the run `cpu`, within 1e-3: f32 is some 1e-6 apart after a step, and an update doubles that.
trained_alike() {
  figures "$1" >"$work/figures" && [[ $(wc -l <"$work/figures") -eq $(wc -l <"$work/cpu-figures") ]] &&
    near "$work/figures" "$work/cpu-figures" 1e-3
  report $? "$2"
}

call train "${short[@]}" train.out=cpu
[[ $status -eq 0 ]]
report $? "a short run on the CPU"
figures cpu >cpu-figures

# No GPU of this machine is seen: one line, an error, and nothing is written.
export CUDA_VISIBLE_DEVICES=-1
no_device() {
  fails 2 "vilt: device cuda:0: " "$@"
  [[ $(wc -l <stderr) -eq 1 && ! -s stdout && ! -e none ]] &&
    grep -qE ': (this build has no CUDA backend \(configure it with -Dcuda=on|no NVIDIA driver|the NVIDIA driver is for|no CUDA-capable)' stderr
  report $? "$1: one line says why there is no GPU, and nothing is written"
}
no_device train "${short[@]}" train.out=none --device cuda
no_device train "${short[@]}" train.out=none train.device=cuda train.precision=tf32
no_device align --model cpu "$image" ring --out none --device cuda
no_device match --model cpu "$image" ring --device cuda
no_device eval --model cpu "${captions[@]}" --device cuda
no_device gradcheck --device cuda
unset CUDA_VISIBLE_DEVICES
fails 2 "--device: nonsense not in {cpu,cuda} (see vilt train --help)" train "${short[@]}" train.out=none --device nonsense
fails 2 "--device: nonsense not in {cpu,cuda} (see vilt match --help)" match --model cpu "$image" ring --device nonsense
fails 2 "train.device: 'nonsense' is not a device; expected cpu or cuda" train "${short[@]}" train.out=none train.device=nonsense
fails 2 'train.cuda_graph needs train.device = "cuda"' train "${short[@]}" train.out=none --cuda-graph
fails 2 'tf32 is the GPU'\''s (train.device = "cuda"); on the CPU choose highest, high or bf16' \
  train "${short[@]}" train.out=none --precision tf32
fails 2 "tf32 is the GPU's (--device cuda); on the CPU choose highest, high or bf16" \
  match --model cpu "$image" ring --precision tf32
[[ ! -e none ]]
report $? "none of these has written anything"

# A run that stopped after two of four steps: at a picture that is whole again afterwards, which changes the data.
for damaged in data/images/train/*.jpg; do
  cp "$damaged" whole.jpg && head -c 200 whole.jpg >"$damaged"
  rm -rf half && call train "${short[@]}" train.out=half
  [[ $status -ne 0 && -d half/checkpoint-2 ]] && break
  cp whole.jpg "$damaged"
done
cpu=$vilt
vilt=$emulated
call train "${short[@]}" train.out=half-gpu --device cuda
cp whole.jpg "$damaged"
[[ $status -ne 0 && -d half/checkpoint-2 && -d half-gpu/checkpoint-2 ]]
report $? "a run on each stops after two steps"

succeeds "training on the device" "trained 4 steps" train "${short[@]}" train.out=gpu --device cuda
grep -q '^precision: f32 (cuda)$' stdout && grep -q '^host overhead: .* ms a step' stdout && grep -q '^device = .cuda.$' gpu/settings.toml
report $? "it says where it computes, and what the host spends"
grep -q 'vilt train .* --device cuda' gpu/report.html
report $? "its report tells the command, with the device"
trained_alike gpu "its losses are the CPU's"
near <(grep -v '"train_seconds"' gpu/summary.json) <(grep -v '"train_seconds"' cpu/summary.json) 1e-3
report $? "so are its final figures"
succeeds "training by graphs" "trained 4 steps" train "${short[@]}" train.out=graphs --device cuda --cuda-graph
cmp -s gpu/checkpoint-4/model.safetensors graphs/checkpoint-4/model.safetensors &&
  cmp -s gpu/checkpoint-4/optimizer.safetensors graphs/checkpoint-4/optimizer.safetensors
report $? "it gives the same bits"
succeeds "a run of the CPU goes on on the device" "continuing from step 2" train "${short[@]}" train.out=half train.changed_data=continue --device cuda
trained_alike half "with the CPU's losses"
vilt=$cpu
succeeds "a run of the device goes on on the CPU" "continuing from step 2" train "${short[@]}" train.out=half-gpu train.changed_data=continue
trained_alike half-gpu "with the CPU's losses"

# both NAME BOUND ARGUMENT...: what both print is the same but for numbers, and those are near. `but`: a sed command that
# takes away what need not be.
but=''
both() {
  local name=$1 bound=$2
  shift 2
  vilt=$cpu
  call "$@"
  local first=$status
  sed -E "$but" stdout >here
  vilt=$emulated
  call "$@" --device cuda
  sed -i -E "$but" stdout
  [[ $first -eq 0 && $status -eq 0 ]] && near stdout "$work/here" "$bound" &&
    [[ $(sed 's/[-0-9.e]//g' stdout) == "$(sed 's/[-0-9.e]//g' "$work/here")" ]]
  report $? "$name on the device is the CPU's"
  vilt=$cpu
}
both eval 1e-3 eval --model cpu "${captions[@]}" --json
both match 1e-3 match --model cpu "$image" "a red ring" "a [MASK] disc" --json
both fill 1e-3 fill --model cpu "$image" "a [MASK] ring" --top 3
both "align --map attention" 1e-3 align --model cpu "$image" "a red ring" --out maps --force --map attention
# The plan of a model that has learnt nothing gives equal shares to several patches: any may be the largest.
but='s/\([0-9]+, [0-9]+\)//'
both "align --map plan-training" 1e-3 align --model cpu "$image" "a red ring" --out maps --force --map plan-training
but=''
vilt=$emulated
succeeds "tf32 is a precision of the device" "a red ring" match --model cpu "$image" "a red ring" --precision tf32 --device cuda

export TESSERA_CUDA_MEMORY_MIB=2
fails 2 "out of memory on cuda:0: " train "${short[@]}" train.out=full --device cuda model.intermediate_size=1024
grep -qE ': [0-9,]+ KiB requested for a tensor, [0-9,]+ KiB live, [0-9,]+ KiB at the peak, .* of 2,048 KiB on the device; to train with less, lower train\.batch_size, raise train\.accumulate, switch train\.checkpoint_blocks on or choose --precision bf16$' stderr
report $? "it tells what is wanted, live, at the peak and there, and the settings to change"
export TESSERA_CUDA_MEMORY_MIB=lots
fails 2 "TESSERA_CUDA_MEMORY_MIB is 'lots', expected a number of MiB above zero" match --model cpu "$image" ring --device cuda
