#!/usr/bin/env bash
# CLIP and VSE++ from nothing to a trained model, what is done with one, and a run that is stopped.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_data
data=(data.captions=data/dataset.json data.images=data/images data.annotations=data/annotations.jsonl
  data.vocabulary=data/vocab.txt train.threads=2 train.steps=20 train.evaluate_every=10 train.checkpoint_every=10
  train.log_every=5 train.batch_size=8 train.evaluate_samples=8)
declare -A tiny_of=(
  [clip]="model.vision_size=16 model.vision_layers=1 model.vision_heads=2 model.text_size=16 model.text_layers=1 model.text_heads=2 model.projection_size=8"
  [vse]="model.resnet_width=2 model.embed=8 model.word_dim=4 objectives.hardest_from=0.5")
image=$(find data/images/test -name '*.jpg' | sort | head -n 1)

for kind in clip vse; do
  read -ra model <<<"${tiny_of[$kind]}"
  settings=("$root/configs/scenes-$kind.toml" "${data[@]}" "${model[@]}")
  succeeds "$kind: training prints the figures" "report: $kind/report.html" train "${settings[@]}" train.out="$kind"
  grep -q '^matching random (ranked) ' stdout && grep -q '^matching sibling/colour (ranked) ' stdout &&
    grep -q '^text R@1 ' stdout && grep -q '^loss = ' stdout
  report $? "$kind: ... of matching, siblings and retrieval"
  [[ $(grep -c '"learning_rate"' $kind/metrics.jsonl) -eq 4 && -s $kind/summary.json ]]
  report $? "$kind: ... and writes them"
  call train "${settings[@]}" train.out=cut train.steps=20 train.checkpoint_every=1 && [[ $status -eq 0 ]]
  cmp -s $kind/checkpoint-20/model.safetensors cut/checkpoint-20/model.safetensors
  report $? "$kind: checkpoints change nothing"
  rm -r cut
  "$vilt" train "${settings[@]}" train.out=cut train.checkpoint_every=1 >stdout 2>stderr </dev/null &
  until compgen -G 'cut/checkpoint-*' >/dev/null || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
  kill -9 $! 2>/dev/null
  wait $! 2>/dev/null
  call train "${settings[@]}" train.out=cut train.checkpoint_every=1
  [[ $status -eq 0 ]] && cmp -s $kind/checkpoint-20/model.safetensors cut/checkpoint-20/model.safetensors
  report $? "$kind: a run that was killed ends with the same bits"
  call train "${settings[@]}" train.out=one train.threads=1 data.workers=2
  cmp -s $kind/checkpoint-20/model.safetensors one/checkpoint-20/model.safetensors
  report $? "$kind: threads and workers change no bit"
  succeeds "$kind: micro-batches" "trained 20 steps" train "${settings[@]}" train.out=parts train.accumulate=4
  rm -r cut one parts
  fails 2 "setting 'train.batch_size' is 1, expected at least 2" train "${settings[@]}" train.out=x train.batch_size=1
done
# The losses of the first step, before anything was updated: that of the whole step in one piece and in four.
first_loss() { grep -o '"loss":[^,]*' "$1/metrics.jsonl" | head -n 1; }
read -ra model <<<"${tiny_of[clip]}"
for parts in 1 4; do
  call train "$root/configs/scenes-clip.toml" "${data[@]}" "${model[@]}" train.out=loss$parts train.steps=1 train.log_every=1 \
    train.accumulate=$parts
done
[[ -n $(first_loss loss1) ]] && awk -v a="$(first_loss loss1 | cut -d: -f2)" -v b="$(first_loss loss4 | cut -d: -f2)" \
  'BEGIN { exit !(a > 1 && (a - b) * (a - b) < 1e-8) }'
report $? "clip: the loss is that of the step, however it is cut ($(first_loss loss1) and $(first_loss loss4))"

# On an emulated GPU: f32 is some 1e-6 apart after a step, and an update doubles that.
emulated=$(dirname "$vilt")/tests/vilt_emulated
losses() { grep -o '"loss":[^,]*' "$1/metrics.jsonl" | cut -d: -f2; }
for kind in clip vse; do
  read -ra model <<<"${tiny_of[$kind]}"
  short=("$root/configs/scenes-$kind.toml" "${data[@]}" "${model[@]}" train.batch_size=4 train.accumulate=2 train.steps=3
    train.evaluate_every=0 train.log_every=1 train.test_samples=2 data.unseen_split=)
  call train "${short[@]}" train.out=host
  "$emulated" train "${short[@]}" train.out=device train.device=cuda >output 2>&1 </dev/null
  [[ $(losses device | wc -l) -eq 3 ]] && paste -d ' ' <(losses host) <(losses device) |
    awk '{ off = $1 - $2; if (off < 0) off = -off; if (off > 1e-3 * $1) bad = 1 } END { exit bad }'
  report $? "$kind: an emulated GPU has the same losses"
  rm -r host device
done

succeeds "a CLIP that was trained searches" "${image##*/}" search --model clip data/images/test "a red ring" --top 12
succeeds "... is told what it is for" "CLIP, for vilt embed" info clip
succeeds "... as VSE++ is" "VSE++, for vilt eval --first-stage" info vse
succeeds "... keeps vectors" "12 pictures, 12 of them computed now" embed --model clip --images data/images/test --out index.safetensors
succeeds "... of all pictures" "of them computed now" embed --model clip --images data/images --out all.safetensors
read -ra model <<<"${tiny_of[vse]}"
succeeds "vse: trained on vectors that are kept" "report: stored/report.html" train "$root/configs/scenes-vse.toml" "${data[@]}" "${model[@]}" \
  train.out=stored model.features=all.safetensors
fails 2 "index.safetensors: has no features of " train "$root/configs/scenes-vse.toml" "${data[@]}" "${model[@]}" \
  train.out=lost model.features=index.safetensors
succeeds "... classifies" "a ring" classify --model clip --classes "a ring,a cross" --template "{}" "$image"
succeeds "... is written for others" "" convert clip clip-hf
grep -q '"do_center_crop": false' clip-hf/preprocessor_config.json && [[ -s clip-hf/merges.txt ]]
report $? "... with how its pictures are prepared"
succeeds "what was written searches, too" "${image##*/}" search --model clip-hf data/images/test "a red ring" --top 12

call train "${tiny[@]}" train.out=vilt train.steps=4
for kind in clip vse; do
  succeeds "$kind as the first stage" "first stage, text among the best 10" eval --model vilt --task retrieval \
    --captions data/dataset.json --images data/images --shortlist 3 --first-stage $kind
done
grep -q "^first stage: VSE++, vse" stdout
report $? "... says which"
