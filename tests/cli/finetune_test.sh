#!/usr/bin/env bash
# Fine-tuning by the command line: a pre-trained run, the three tasks on it, their figures, and what the models answer.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_data
call scenes --kind scenes --out data --train 40 --val 8 --test 12 --test-unseen 8 --tasks
[[ $status -eq 0 ]]
report $? "scenes --tasks keeps the pictures and adds files of tasks"
call train "${tiny[@]}" train.out=runs/begun train.steps=4
[[ $status -eq 0 ]] || exit 1
picture=data/images/test/000000.jpg other=data/images/test/000001.jpg

cat >task.toml <<'TOML'
[image]
resize = "none"
[train]
init_from = "runs/begun"
epochs = 1
batch_size = 8
evaluate_every = 0
threads = 2
[downstream]
least_answers = 1
false_texts = 3
TOML
questions=data/tasks/v2_OpenEnded_scenes
succeeds "vqa" "accuracy, yes/no" train task.toml train.task=vqa data.images=data/images "data.captions=${questions}_train_questions.json" \
  "data.validation_captions=${questions}_val_questions.json" "data.test_captions=${questions}_test_questions.json" train.out=runs/vqa
grep -q "answers that are given 1 times or more" output && grep -q "new: the classifier" output && grep -q '^other_picture' output
report $? "... tells its answers, what is new, and a control"
[[ $(find runs/vqa -name 'checkpoint-*') == runs/vqa/checkpoint-10 ]]
report $? "... has the steps of an epoch: 80 questions by 8"
succeeds "nlvr2" "consistency" train task.toml train.task=nlvr2 data.images=data/tasks/nlvr2 data.captions=data/tasks/nlvr2/train.json \
  data.validation_captions=data/tasks/nlvr2/val.json train.out=runs/nlvr2
grep -q "the figures at the end are those of validation" output
report $? "... says that there is no test file"
succeeds "retrieval" "image R@1 by objects alone" train task.toml train.task=retrieval data.images=data/images data.captions=data/dataset.json \
  data.annotations=data/annotations.jsonl train.out=runs/retrieval
succeeds "a finished run says so" "is finished" train task.toml train.task=retrieval data.images=data/images \
  data.captions=data/dataset.json data.annotations=data/annotations.jsonl train.out=runs/retrieval

succeeds "eval of vqa" "soft_score" eval --model runs/vqa --captions "${questions}_test_questions.json" --images data/images \
  --predictions vqa.json
[[ $(grep -o question_id vqa.json | wc -l) -eq 24 ]]
report $? "... writes a prediction for each question"
accuracy=$(sed -nE 's/^accuracy +([0-9.]+)$/\1/p' stdout)
grep -qE "^accuracy +$accuracy " <("$vilt" train task.toml train.task=vqa data.images=data/images \
  "data.captions=${questions}_train_questions.json" "data.validation_captions=${questions}_val_questions.json" \
  "data.test_captions=${questions}_test_questions.json" train.out=runs/vqa)
report $? "... gives the figures of the run's end"
fails 2 "vqa.json: exists already" eval --model runs/vqa --captions "${questions}_val_questions.json" --images data/images --predictions vqa.json
succeeds "eval of nlvr2" "one_picture" eval --model runs/nlvr2 --captions data/tasks/nlvr2/test.json --images data/tasks/nlvr2 \
  --predictions nlvr2.csv
grep -qE '^test-0-0-0,(True|False)$' nlvr2.csv
report $? "... writes identifier and prediction"
succeeds "eval of retrieval" "text R@10" eval --model runs/retrieval --captions data/dataset.json --images data/images
succeeds "eval of retrieval as JSON" '"image mean rank"' eval --model runs/retrieval --captions data/dataset.json --images data/images --json
fails 2 "--predictions is for" eval --model runs/begun --captions data/dataset.json --images data/images --predictions x.json

succeeds "answer" "" answer --model runs/vqa "$picture" "how many shapes are there?"
succeeds "reason" "True" reason --model runs/nlvr2 "$picture" "$other" "both pictures show a ring"
succeeds "rank" "a red ring" rank --model runs/retrieval "$picture" "a red ring" "a blue cross"
! grep -q "note: used" stderr
report $? "... without a note about the matching head, which such a run has"
cp runs/vqa/settings.toml vqa.toml
succeeds "info of a task's settings" "8 questions at once" info vqa.toml --memory
for task in vqa nlvr2 retrieval; do
  succeeds "convert $task" "parameters" convert "runs/$task" "hf-$task"
done

# Held-out pictures that cannot be decoded.
cp -r data damaged
for picture in images/test/000000.jpg tasks/nlvr2/test/test-0-0-img0.jpg; do echo "no picture" >damaged/$picture; done
damaged_questions=damaged/tasks/v2_OpenEnded_scenes_test_questions.json
succeeds "eval of vqa without a damaged picture" "pictures left out" eval --model runs/vqa --captions $damaged_questions --images damaged/images
grep -q "^left out: damaged/images/test/000000.jpg: " stderr && grep -qE "^pictures left out +1$" stdout
report $? "... names and counts it"
fails 2 "1 images cannot be used, more than --max-bad-files (0); the last: damaged/images/test/000000.jpg" eval --model runs/vqa \
  --captions $damaged_questions --images damaged/images --max-bad-files 0
succeeds "eval of nlvr2 without a damaged picture" "pictures left out" eval --model runs/nlvr2 --captions damaged/tasks/nlvr2/test.json \
  --images damaged/tasks/nlvr2
succeeds "eval of retrieval without a damaged picture" "pictures left out" eval --model runs/retrieval --captions damaged/dataset.json \
  --images damaged/images
succeeds "eval of pre-training without a damaged picture" '"pictures_left_out": 1' eval --model runs/begun --captions damaged/dataset.json \
  --images damaged/images --annotations damaged/annotations.jsonl --json

sed -i 's/"answer":"[a-z0-9]*"/"answer":"?"/g' data/tasks/v2_scenes_val_annotations.json
fails 2 "data.validation_captions' is empty" train task.toml train.task=nlvr2 data.images=data/tasks/nlvr2 \
  data.captions=data/tasks/nlvr2/train.json train.out=runs/x
rm data/tasks/v2_scenes_val_annotations.json
fails 2 "there are no annotations beside it" train task.toml train.task=vqa data.images=data/images \
  "data.captions=${questions}_train_questions.json" "data.validation_captions=${questions}_val_questions.json" train.out=runs/x
fails 2 "'train.task' is 'vqb', expected one of: pretraining, vqa, nlvr2, retrieval" train "${tiny[@]}" train.task=vqb train.out=runs/x

for task in vqa nlvr2 retrieval; do
  cp runs/$task/report.html first.html
  succeeds "report of $task" "report: runs/$task/report.html" report runs/$task
  # All but the command that reproduces the run, which is another one.
  diff <(grep -v '^<pre class="command">\|^</dl>\|vilt train' first.html) <(grep -v '^<pre class="command">\|^</dl>\|vilt train' runs/$task/report.html) >/dev/null
  report $? "... is that of the end of training"
done
for task in vqa nlvr2 retrieval; do
  [[ $(grep -o '<figure class="map"' runs/$task/report.html | wc -l) -gt 0 &&
    $(grep -o '<figure class="map"' runs/$task/report.html | wc -l) -eq $(grep -o '<svg class="picture"' runs/$task/report.html | wc -l) ]]
  report $? "... has a map beside each picture of $task"
done
grep -q '<h2>What was wrong' runs/vqa/report.html && grep -q 'By type of answer' runs/vqa/report.html
report $? "... says what was wrong of answers"
# How many first picks are wrong, by the page and by the recalls; the scores of 12 pictures are kept.
recall() { sed -nE "s/^ *\"$1 R@1\": ([0-9.]+),?$/\1/p" eval.json; }
call eval --model runs/retrieval --captions data/dataset.json --images data/images --json && cp stdout eval.json
for direction in "text:pictures" "image:texts"; do
  of=$(sed -nE "s/^ *\"$(sed 's/pictures/images/' <<<"${direction#*:}")\": ([0-9.]+),?$/\1/p" eval.json)
  wrong=$(awk -v recall="$(recall "${direction%:*}")" -v of="$of" 'BEGIN { printf "%d", of * (1 - recall) + 0.5 }')
  grep -q "$wrong of ${of%.*} ${direction#*:} (" runs/retrieval/report.html
  report $? "... counts wrong first picks as the recalls do: $wrong of ${of%.*} ${direction#*:}"
done
grep -q 'Ranks of what is right' runs/retrieval/report.html && grep -q 'between the caption and the picture differs' runs/retrieval/report.html
report $? "... has ranks, and in what wrong picks differ"
touch -d 2020-01-01 runs/retrieval/test_scores.safetensors
call report runs/retrieval
[[ $status -eq 0 && $(date -r runs/retrieval/test_scores.safetensors +%Y) == 2020 ]]
report $? "... is made of the scores that the run has kept"
echo "no scores" >runs/retrieval/test_scores.safetensors
cp runs/retrieval/report.html first.html
call report runs/retrieval
cmp -s first.html runs/retrieval/report.html
report $? "... or ranks once more, to the same page, where they are gone"
# How often the model was wrong of true and of false statements, by the page and by the predictions.
call eval --model runs/nlvr2 --captions data/tasks/nlvr2/val.json --images data/tasks/nlvr2 --predictions said.csv --force
for label in True False; do
  all=0 wrong=0
  while IFS=, read -r identifier said; do
    grep -F "\"$identifier\"" data/tasks/nlvr2/val.json | grep -Eq "\"label\": ?\"$label\"" || continue
    all=$((all + 1))
    if [[ $said != "$label" ]]; then wrong=$((wrong + 1)); fi
  done <said.csv
  [[ $all -gt 0 ]] && grep -q "<th scope=\"row\">${label,}</th><td>$wrong</td><td>$all</td>" runs/nlvr2/report.html
  report $? "... counts what was wrong of ${label,} statements: $wrong of $all"
done
call report --csv runs/vqa runs/nlvr2 --output metrics.csv
[[ $status -eq 0 && $(head -c 9 metrics.csv) == "run,step,"* && $(grep -c '^runs/vqa,10,' metrics.csv) == 1 ]]
report $? "report --csv of two runs"
fails 2 "vilt report takes one run" report runs/vqa runs/nlvr2

source "$root/tests/cli/chromium.sh"
chromium_or_skip "reports of fine-tuning in Chromium" || exit 0
for task in vqa nlvr2 retrieval; do
  for width in 1280 375; do check_page "report of $task" "$PWD/runs/$task/report.html" "$width"; done
done
sed 's/<main>/<main><div style="width:2000px">wide<\/div>/' runs/vqa/report.html >runs/wide.html
phone_page wide.html 375 >runs/phone.html
open_page "$PWD/runs/phone.html"
[[ $(attribute data-overflow) -gt 0 ]]
report $? "a page that is too wide is found"
