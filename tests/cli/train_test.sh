#!/usr/bin/env bash
# From nothing to a trained model, and everything that can be asked of it.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

succeeds "scenes are written" "written data: scenes, 40 train, 8 val, 12 test, 8 test_unseen, seed 0" \
  scenes --kind scenes --out data --train 40 --val 8 --test 12 --test-unseen 8
before=$(cat data/dataset.json data/annotations.jsonl data/images/*/* | sha256sum)
succeeds "the same scenes are kept" "kept data: scenes, 40 train" \
  scenes --kind scenes --out data --train 40 --val 8 --test 12 --test-unseen 8
succeeds "other scenes replace them when forced" "written data" \
  scenes --kind scenes --out data --seed 1 --train 40 --val 8 --test 12 --test-unseen 8 --force
call scenes --kind scenes --out data --train 40 --val 8 --test 12 --test-unseen 8 --force
[[ $before == "$(cat data/dataset.json data/annotations.jsonl data/images/*/* | sha256sum)" ]]
report $? "the same seed gives the same bytes"

succeeds "vocabulary" "written new/vocab.txt: 60 tokens from 40 captions" \
  vocab --captions data/dataset.json --size 60 --out new/vocab.txt
[[ $(wc -l <new/vocab.txt) -eq 60 ]]
report $? "vocab.txt has as many lines as asked for"
succeeds "vocabulary of the built-in data" "written data/vocab.txt" \
  vocab --kind scenes --captions data/dataset.json --out data/vocab.txt

succeeds "training prints the figures" "final figures" train "${tiny[@]}" train.out=run
[[ $(tail -n 1 stdout) == "report: run/report.html" && -s run/report.html ]]
report $? "the last line is the report's path"
grep -q '^step *10 ' stdout && grep -q '^loss = 1 · mlm' stdout && grep -q '^hidden_size = 16$' stdout
report $? "training prints the loss, the resolved settings and the validation figures"
[[ $(ls -d run/checkpoint-*) == run/checkpoint-30 && -s run/summary.json ]]
report $? "the newest checkpoint and the summary are left"
[[ $(grep -c '"learning_rate"' run/metrics.jsonl) -eq 6 && $(grep -c '"evaluation"' run/metrics.jsonl) -eq 3 ]]
report $? "metrics.jsonl has one object per logged step and evaluation"

sum=$(sha256sum run/checkpoint-30/*)
succeeds "a finished run says so" "the run in run is finished; --fresh starts over" train "${tiny[@]}" train.out=run
[[ $sum == "$(sha256sum run/checkpoint-30/*)" ]] && grep -q '^final figures' stdout
report $? "it is left as it is, and its figures are printed again"
rm run/report.html
succeeds "a report that was removed is written again" "report: run/report.html" train "${tiny[@]}" train.out=run
succeeds "the report alone" "report: run/report.html" report run

succeeds "a run starts over" "trained 30 steps" train "${tiny[@]}" train.out=run --fresh
[[ $(echo "$sum" | grep model) == "$(sha256sum run/checkpoint-30/* | grep model)" ]]
report $? "the same settings give the same model"
succeeds "one thread" "trained 30 steps" train "${tiny[@]}" train.out=one train.threads=1 data.workers=3
cmp -s run/checkpoint-30/model.safetensors one/checkpoint-30/model.safetensors
report $? "threads and workers change no bit"

succeeds "training in bf16" "trained 30 steps" train "${tiny[@]}" train.out=half --precision bf16
grep -q '^precision: bf16 activations, products in bf16 with f32 sums (' stdout && grep -q '^precision = .bf16.$' half/settings.toml &&
  ! cmp -s run/checkpoint-30/model.safetensors half/checkpoint-30/model.safetensors
report $? "it says so, and gives another model"
grep -q 'vilt train .* --precision bf16' half/report.html
report $? "its report tells the command, with the precision"
succeeds "training in bf16 on one thread" "trained 30 steps" train "${tiny[@]}" train.out=half-one train.precision=bf16 train.threads=1
cmp -s half/checkpoint-30/model.safetensors half-one/checkpoint-30/model.safetensors
report $? "threads change no bit of it"

image=$(find data/images/test -name '*.jpg' | sort | head -n 1)
succeeds "fill" "a " fill --model run "$image" "a [MASK] ring" --top 3
[[ $(grep -c '^\[MASK\] 1:' stdout) -eq 1 && $(grep -o ' 0\.[0-9]*' stdout | wc -l) -eq 3 ]] &&
  grep -Eq '^a .* ring$|^a.* ring$' stdout
report $? "fill prints as many answers as asked for and the text"
succeeds "fill: two pieces" "[MASK] 2:" fill --model run "$image" "[MASK][MASK]"
succeeds "match" "a red ring" match --model run "$image" "a red ring" "[MASK]" "a blue ring"
[[ $(grep -cE '^(0\.[0-9]{3}|1\.000)  ' stdout) -eq 3 ]]
report $? "match prints one probability per caption"
succeeds "match: a word outside the vocabulary is told" "ring" match --model run "$image" "a ☃ ring"
grep -qF "note: '☃' cannot be written" stderr
report $? "by a note on stderr"
call match --model run "$image" "a red ring" "a blue ring" --json
[[ $status -eq 0 && ! -s stderr ]] &&
  grep -qE '^\{"id":0,"results":\[\{"text":"a red ring","index":0,"logit":[-.e0-9]+,"probability":[.e0-9-]+\},\{"text":"a blue ring","index":1,' stdout
report $? "match --json"
many=$(cat stdout)
echo "{\"image\": \"$PWD/$image\", \"texts\": [\"a red ring\", \"a blue ring\"]}" >queries.jsonl
echo "{\"id\": \"one\", \"image\": \"$PWD/$image\", \"text\": \"a red ring\"}" >>queries.jsonl
call match --model run --jsonl queries.jsonl
[[ $status -eq 0 && $(wc -l <stdout) -eq 2 && $(head -n 1 stdout | grep -o '"text":"[^"]*","index":.,"logit":[^.]*\....' ) == "$(grep -o '"text":"[^"]*","index":.,"logit":[^.]*\....' <<<"$many")" ]]
report $? "match --jsonl, texts and text"
succeeds "match: an empty caption" "  " match --model run "$image" ""
call rank --model run "$image" "a red ring" "a blue ring" "a green disc"
[[ $status -eq 0 && $(wc -l <stdout) -eq 3 && $(sort -rg stdout) == "$(cat stdout)" ]] &&
  grep -qF "note: there is no rank_output; scores are the log-odds of the matching head (itm_score), above 0 for a match" stderr
report $? "rank by the matching head says so"
succeeds "align" "maps/03-ring.png" align --model run "$image" "a turquoise ring" --out maps
[[ $(find maps -name '*.png' | wc -l) -eq 3 && $(head -c 4 maps/02-turquoise.png | tail -c 3) == PNG ]]
report $? "align writes one PNG per word, words of several pieces once"
for map in plan plan-training; do
  succeeds "align --map $map" "maps/01-ring.png" align --model run "$image" ring --out maps --map $map --force
done
succeeds "align --layer" "maps/01-ring.png" align --model run "$image" ring --out maps --layer 1 --force
succeeds "info of a run" "transformer blocks" info run --text 12 --grid 5x4 --batch 2
grep -q '12 text tokens, 5 x 4 patches, 33 tokens' stdout && grep -q '^memory of training, 2 pairs' stdout
report $? "info takes text, grid and batch"
succeeds "info --memory" "peak" info run --memory --text 12 --grid 5x4 --batch 2
kept=$(awk '/activations of the blocks/ { print $5 }' stdout)
succeeds "info --memory --checkpoint-blocks" "blocks computed again in backward" info run --memory --text 12 --grid 5x4 --batch 2 \
  --checkpoint-blocks
less=$(awk '/activations of the blocks/ { print $5 }' stdout)
! grep -q 'transformer blocks' stdout && awk -v kept="$kept" -v less="$less" 'BEGIN { exit !(less > 0 && less < kept / 2) }'
report $? "info --memory tells the memory alone, which is less with --checkpoint-blocks ($kept and $less KiB)"
succeeds "info --memory --precision bf16" "activations in bf16" info run --memory --text 12 --grid 5x4 --batch 2 --precision bf16
half=$(awk '/activations of the blocks/ { print $5 }' stdout)
grep -q 'copies of weights' stdout && awk -v kept="$kept" -v half="$half" 'BEGIN { exit !(half > kept * 0.4 && half < kept * 0.65) }'
report $? "activations in bf16 take about half ($kept and $half KiB)"
succeeds "match in bf16" "a red ring" match --model run "$image" "a red ring" --precision bf16
grep -q '^note: precision: bf16 activations' stderr
report $? "it says so"
call info run --text 12 --grid 5x4 --batch 2
# 2 blocks of width 16 and inner width 32: 2 · (4 · 16² + 4 · 16 + 2 · 16 · 32 + 32 + 16 + 4 · 16)
[[ $(awk '/transformer blocks/ { gsub(",", ""); print $3 }' stdout) -eq 4448 ]]
report $? "info counts the parameters"

flags=(--model run --captions data/dataset.json --images data/images)
succeeds "eval" "matching, random false image" eval "${flags[@]}"
succeeds "eval of a group" "own object above the other" \
  eval "${flags[@]}" --annotations data/annotations.jsonl --group two_objects
succeeds "eval as JSON" '"samples": 5,' eval "${flags[@]}" --annotations data/annotations.jsonl --limit 5 --json
call eval "${flags[@]}" --annotations data/annotations.jsonl --json
figure() { grep '"mlm_accuracy_content"' "$1" | head -n 1 | tr -d ' '; }
[[ -n $(figure stdout) && $(figure stdout) == "$(figure run/summary.json)" ]]
report $? "eval gives the figures of the run's summary"
succeeds "gradcheck of one op" "0 failed" gradcheck --op layer_norm
succeeds "gradcheck of every element of large inputs" "5 checks, 3150 derivatives compared, 0 failed" gradcheck --op sum --exhaustive
call gradcheck --op layer_norm --plant
[[ $status -eq 1 ]] && grep -q FAILED stdout
report $? "gradcheck finds planted errors, status 1"
