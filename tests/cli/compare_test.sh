#!/usr/bin/env bash
# `vilt report --compare` and `--csv` on runs of several tasks: the page, what is remarked, what is refused, what is replaced.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_data
call scenes --kind scenes --out data --train 40 --val 8 --test 12 --test-unseen 8 --tasks && [[ $status -eq 0 ]] || exit 1
for seed in 0 1; do
  call train "${tiny[@]}" train.out=runs/seed-$seed train.seed=$seed train.steps=20 && [[ $status -eq 0 ]] || exit 1
done
call train "${tiny[@]}" train.out=runs/fast train.steps=30 optimizer.learning_rate=0.004 && [[ $status -eq 0 ]] || exit 1
call scenes --kind scenes --out other --train 24 --val 8 --test 12 --test-unseen 8 --seed 7 && [[ $status -eq 0 ]] || exit 1
call train "${tiny[@]}" train.out=runs/other train.steps=20 data.captions=other/dataset.json data.images=other/images \
  data.annotations=other/annotations.jsonl && [[ $status -eq 0 ]] || exit 1
questions=data/tasks/v2_OpenEnded_scenes
cat >vqa.toml <<'TOML'
[image]
resize = "none"
[train]
task = "vqa"
init_from = "runs/seed-0"
steps = 10
batch_size = 8
threads = 2
[downstream]
least_answers = 1
TOML
call train vqa.toml data.images=data/images "data.captions=${questions}_train_questions.json" \
  "data.validation_captions=${questions}_val_questions.json" "data.test_captions=${questions}_test_questions.json" train.out=runs/vqa
[[ $status -eq 0 ]] || { cat output; exit 1; }

# has FILE TEXT...: the file has each text.
has() {
  local file=$1 text
  shift
  for text in "$@"; do
    grep -qF -- "$text" "$file" || { echo "no '$text' in $file" >>output; return 1; }
  done
}

succeeds "compare" "comparison: comparison.html" report --compare runs/seed-0 runs/seed-1 runs/fast
has comparison.html '<h1>3 runs compared</h1>' 'A seed-0' 'B seed-1' 'C fast' 'mean of A, B (min–max)' 'Test, unseen' \
  'Control, untrained' '<th scope="row">optimizer.learning_rate</th>' '<th scope="row">train.seed</th>' ' other settings are equal' &&
  ! grep -q '<th scope="row">train.out</th>\|<th scope="row">data.captions</th>' comparison.html
report $? "... has the runs, seeds taken together, controls, and the settings that differ"
has stderr 'note: The runs are of different numbers of steps: A seed-0 20, B seed-1 20, C fast 30.' && [[ $(grep -c . stderr) -eq 1 ]]
report $? "... tells on the terminal what there is to know"
has comparison.html 'The runs are of different numbers of steps: A seed-0 20, B seed-1 20, C fast 30.'
report $? "... and on the page"
! grep -qE '(src|href)="[^#d]' comparison.html
report $? "... needs no other file"
# The figure of a run in the table is that of its summary.
share=$(sed -nE 's/^ *"itm_accuracy_random": ([0-9.]+),?$/\1/p' runs/fast/summary.json | head -n 1)
grep -F '<th scope="row">Matching, random picture</th>' comparison.html | head -n 1 |
  grep -qF "$(awk -v share="$share" 'BEGIN { printf "%.1f", 100 * share }')"
report $? "... has the figures of summary.json: $share"

cp comparison.html before.html
succeeds "the same once more" "comparison: comparison.html" report --compare runs/seed-0 runs/seed-1 runs/fast
cmp -s before.html comparison.html
report $? "... is the same page"
succeeds "an earlier comparison is replaced" "comparison: comparison.html" report --compare runs/seed-0 runs/fast
has comparison.html '<h1>2 runs compared</h1>'
report $? "... by the new one"
echo "my notes" >notes.html
fails 2 "notes.html: exists already" report --compare runs/seed-0 runs/seed-1 --output notes.html
[[ $(cat notes.html) == "my notes" ]]
report $? "... which stays as it was"
cp runs/fast/report.html kept.html
fails 2 "kept.html: exists already" report --compare runs/seed-0 runs/seed-1 --output kept.html
succeeds "--force replaces it" "comparison: notes.html" report --compare runs/seed-0 runs/seed-1 --output notes.html --force
ln -s comparison.html link.html
fails 2 "link.html: exists already" report --compare runs/seed-0 runs/seed-1 --output link.html
fails 2 "runs: is no file that could be replaced" report --compare runs/seed-0 runs/seed-1 --output runs --force
call report --compare runs/seed-0 runs/seed-1 --output none/page.html
[[ $status -ne 0 && ! -e none ]] && grep -q '^vilt: cannot create none/page.html' stderr
report $? "a folder that is not there is an error"
[[ -z $(find . -maxdepth 1 -name '*comparison.html?*') ]]
report $? "nothing half written is left"

succeeds "runs of other data" "comparison" report --compare runs/seed-0 runs/other
has stderr "note: B other was trained on other data than A seed-0, which differ in caption texts, captions (" "instead of"
report $? "... are told"
succeeds "runs of several tasks" "comparison" report --compare runs/seed-0 runs/vqa runs/seed-1
has stderr "note: The runs are of different tasks, and are compared within each alone (pretraining: A seed-0 and C seed-1; vqa: B vqa)." &&
  has comparison.html 'Test (vqa)' 'Losses of training, pretraining' 'Control, text alone'
report $? "... are compared within each"

# As a killed training leaves it: no summary, a row that is cut off.
cp -r runs/seed-1 runs/killed
rm runs/killed/summary.json
printf '{"step":20,"lo' >>runs/killed/metrics.jsonl
succeeds "an unfinished run" "comparison" report --compare runs/seed-0 runs/killed
has stderr "B killed is unfinished, at step 20 of 20: it has no final figures yet." "runs/killed/metrics.jsonl: line " "is damaged and left out"
report $? "... is told, and its damage"
cp -r runs/killed runs/begun
rm -r runs/begun/metrics.jsonl runs/begun/checkpoint-*
succeeds "a run that has just begun" "comparison" report --compare runs/begun runs/killed
has stderr "A begun has logged nothing yet." "On which data A begun was trained is not known" "A begun is unfinished, at step 0 of 20" &&
  has comparison.html "No run is finished"
report $? "... is told"

fails 2 "one run is compared with nothing" report --compare runs/seed-0
fails 2 "runs/seed-0/: the same run as runs/seed-0; each is compared once" report --compare runs/seed-0 runs/seed-0/
fails 2 "data: no run (there is no settings.toml)" report --compare runs/seed-0 data
fails 2 "nothing: no such directory; expected the folder of a run" report --compare runs/seed-0 nothing
twelve=()
for i in {1..13}; do
  cp -r runs/begun "runs/copy-$i"
  twelve+=("runs/copy-$i")
done
fails 2 "13 runs, expected at most 12" report --compare "${twelve[@]}"
succeeds "twelve runs" "comparison" report --compare "${twelve[@]:0:12}"
fails 2 "--csv and --compare are two things" report --csv --compare runs/seed-0 runs/seed-1
fails 2 "--output is for --csv and --compare" report runs/seed-0 --output page.html
fails 2 "--force is for the file of --output" report runs/seed-0 --force
fails 2 "vilt report takes one run; --csv and --compare take several" report runs/seed-0 runs/seed-1

succeeds "csv" "evaluation/pointing_attention_by_layer/2" report --csv runs/seed-0
[[ ! -s stderr ]]
report $? "... has lists as columns, and nothing to remark"
succeeds "csv of a damaged file" "step,seconds" report --csv runs/killed
has stderr "note: runs/killed/metrics.jsonl: line " " is damaged and left out" && ! grep -q note stdout
report $? "... tells on the terminal what it leaves out"
