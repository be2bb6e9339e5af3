#!/usr/bin/env bash
# Ranking by the command line: scores in a file, work that is killed and goes on, a shortlist, folds, rules for ties.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_data
call train "${tiny[@]}" train.out=runs/begun train.steps=4
[[ $status -eq 0 ]] || exit 1
on=(--captions data/dataset.json --images data/images)
ranks=(eval --model runs/begun --task retrieval "${on[@]}")

fails 2 "--folds is for retrieval; a pre-trained model ranks with --task retrieval" eval --model runs/begun "${on[@]}" --folds 2
fails 2 "belong together" "${ranks[@]}" --shortlist 3
fails 2 "exclude each other" "${ranks[@]}" --shortlist 3 --first-stage x --folds 2
succeeds "zero-shot" "zero-shot by itm_score" "${ranks[@]}"
grep -q "rule pessimistic" stdout && grep -qE '^text R@10 ' stdout && grep -qE '^image mean rank ' stdout
report $? "... says its rule for ties"
succeeds "an estimate" "5,000 x 25,010: about" "${ranks[@]}" --estimate

succeeds "scores in a file" "text R@1" "${ranks[@]}" --scores whole --split train --folds 4
grep -q "text R@1, mean of 4 folds" stdout
report $? "... and folds"

# Killed in the middle, ended by SIGTERM in the middle: what goes on gives the same bytes as work in one piece.
call scenes --kind scenes --out many --train 300 --val 4 --test 4 --test-unseen 4 && [[ $status -eq 0 ]] || exit 1
many=(eval --model runs/begun --task retrieval --captions many/dataset.json --images many/images --split train)
ended_by() {
  rm -f stdout  # of the command before: its words must not pass for those that are waited for
  "$vilt" "${many[@]}" --scores part >"$work/stdout" 2>"$work/stderr" &
  until [[ -s part ]] && grep -qs "pairs: about" stdout; do sleep 0.02; done
  kill "$1" $!
  wait $!
  status=$?
  cat stdout stderr >output
}
ended_by -KILL 2>/dev/null
[[ $status -eq 137 ]]
report $? "killed in the middle"
ended_by -TERM
[[ $status -eq 143 ]] && grep -q "scores are in part already" stdout && grep -q "scores are in part; the same command goes on" stderr
report $? "SIGTERM ends it with what is there"
succeeds "it goes on" "scores are in part already" "${many[@]}" --scores part
cp stdout rest
succeeds "in one piece" "text R@1" "${many[@]}" --scores at-once
cmp -s part at-once
report $? "... gives the same bytes"
diff <(grep '^text \|^image ' stdout) <(grep '^text \|^image ' rest) >/dev/null
report $? "... and the same figures"
cp whole part
# A score that is taken away is computed again, bit for bit.
printf '\xff\xff\xff\x7f' | dd of=part bs=1 seek=$(($(stat -c %s part) - 4)) conv=notrunc 2>/dev/null
succeeds "one score is missing" "scores are in part already" "${ranks[@]}" --scores part --split train
cmp -s part whole
report $? "... and is there again"

fails 2 "its scores are of something else" "${ranks[@]}" --scores whole
grep -q "now there are 12 and" stderr && grep -q "  texts: '40 texts" <(sed 's/[0-9]* texts, tokens/40 texts, tokens/' stderr)
report $? "... says in what"
fails 2 "  precision: 'f32', now 'bf16" "${ranks[@]}" --scores whole --split train --precision bf16
call train "${tiny[@]}" train.out=runs/other train.steps=5
fails 2 "  weights: 'sha256" eval --model runs/other --task retrieval "${on[@]}" --scores whole --split train
succeeds "--force begins anew" "text R@1" "${ranks[@]}" --scores whole --force
grep -q "are in whole already" stdout
[[ $? -eq 1 ]]
report $? "... with nothing"

# With all candidates in the shortlist the ranks are those of all pairs.
call "${ranks[@]}" && cp stdout all
succeeds "a shortlist of all" "text R@1, first stage alone" "${ranks[@]}" --shortlist 1000 --first-stage whole
diff <(grep '^text \|^image ' stdout | grep -v 'first stage') <(grep '^text \|^image ' all) >/dev/null
report $? "... has the figures of all pairs"
succeeds "a shortlist" "image R@10" "${ranks[@]}" --shortlist 2 --first-stage whole --scores short
fails 2 "  candidates: 'the best 2 of" "${ranks[@]}" --shortlist 3 --first-stage whole --scores short
fails 2 "scores of 40 pictures" "${ranks[@]}" --shortlist 2 --first-stage part
fails 2 "there is no tensor 'scores'" "${ranks[@]}" --shortlist 2 --first-stage runs/begun/checkpoint-4/model.safetensors

# The first stage by a model of two towers, which reads the pictures and texts by itself.
mkdir clip && "$(dirname "$vilt")/tests/write_tiny_clip" clip || exit 1
succeeds "a CLIP as the first stage" "first stage: CLIP, clip" "${ranks[@]}" --shortlist 3 --first-stage clip
grep -qE '^first stage, text among the best 5 ' stdout && grep -qE '^first stage, image among the best 20 +1.000' stdout &&
  grep -qE '^first stage, seconds ' stdout && grep -qE '^all pairs, seconds, extrapolated ' stdout
report $? "... its recall by the number of candidates, and what both stages take"
succeeds "... as JSON" '"first stage, text among the best 10"' "${ranks[@]}" --shortlist 3 --first-stage clip --json
succeeds "... with all candidates" "image R@10" "${ranks[@]}" --shortlist 1000 --first-stage clip
diff <(grep '^text \|^image ' stdout | grep -v 'first stage') <(grep '^text \|^image ' all) >/dev/null
report $? "... has the figures of all pairs"
fails 2 "data: neither CLIP's nor VSE++'s" "${ranks[@]}" --shortlist 3 --first-stage data
fails 2 "nowhere: " "${ranks[@]}" --shortlist 3 --first-stage nowhere
succeeds "the rule expected" '"text R@1"' "${ranks[@]}" --ties expected --json
grep -q "mean rank" stdout
[[ $? -eq 1 ]]
report $? "... has no ranks"
