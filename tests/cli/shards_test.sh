#!/usr/bin/env bash
# vilt data: shards that are written, killed, gone on with, verified and counted.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

make_data
from=(--captions data/dataset.json --images data/images)

succeeds "shards are written" "written shards/train-*.tar: 4 shards, 40 pictures, 40 captions" \
  data shard "${from[@]}" --out shards --samples 12
succeeds "and kept when they are there" "kept shards/train-*.tar: 4 shards" data shard "${from[@]}" --out shards --samples 12
fails 2 "most_samples 12, now 13" data shard "${from[@]}" --out shards --samples 13
succeeds "and replaced with --force" "written shards/train-*.tar: 4 shards" \
  data shard "${from[@]}" --out shards --samples 13 --force

for command in shard verify stats; do
  call data $command --help
  [[ $status -eq 0 ]] && sed -n '/^Example:$/,$p' stdout | grep -q "^  vilt data $command "
  report $? "vilt data $command --help ends with an example"
done
fails 2 "A subcommand is required (see vilt data --help)" data
fails 2 "(see vilt data shard --help)" data shard

# What tar makes of them is what the data set has.
mkdir unpacked
tar -xf shards/train-000000.tar -C unpacked && cmp -s unpacked/000000003.jpg data/images/train/000003.jpg
report $? "tar unpacks a shard"

# Killed wherever it happens to be, often, until it is done.
"$vilt" data shard "${from[@]}" --out whole --samples 1 >/dev/null
killed=0
for wait in 0.02 0.03 0.04 0.05 0.06 0.07 0.08 0.1 0.15 0.2 0.3 0.5 1; do
  "$vilt" data shard "${from[@]}" --out again --samples 1 >/dev/null 2>&1 &
  process=$!
  sleep $wait
  kill -9 $process 2>/dev/null && killed=$((killed + 1))
  wait $process 2>/dev/null
done
call data shard "${from[@]}" --out again --samples 1
[[ $status -eq 0 && $killed -gt 0 ]] && diff -r whole again >output
report $? "a writer that is killed goes on, with the same bytes in the end"

succeeds "shards are verified" "40 of 40 samples are good, with 40 captions" data verify 'shards/train-*.tar' --out verified
succeeds "and not again" "(4 of 4 shards verified before)" data verify 'shards/train-*.tar' --out verified
succeeds "through a pipe, packed" "13 of 13 samples are good" data verify 'pipe:gzip < shards/train-000000.tar'
succeeds "captions files are verified" "68 of 68 samples are good" data verify "${from[@]}"
head -c 20000 shards/train-000001.tar >cut.tar
call data verify shards/train-00000{0,2,3}.tar cut.tar --out bad
[[ $status -eq 1 ]] && grep -q "1  the shard cannot be read on" stdout && grep -q '"name":"cut.tar"' bad/bad.jsonl
report $? "a cut shard: status 1, counted and listed"
fails 2 "name either shards or --captions and --images" data verify
fails 2 "name either shards or --captions and --images" data stats cut.tar "${from[@]}"
fails 2 "no file is named as" data stats 'no*.tar'

# Training on them, as docs/data.md says it, with the recipe of the other tests without what needs annotations.
sed -e '/^annotations/d' -e '/^unseen_/d' "$root/configs/scenes.toml" >config.toml
small=(data.vocabulary=data/vocab.txt data.images= data.annotations= data.unseen_split= data.unseen_group=
  objectives.content_first=0 objectives.sibling_negatives=0 train.curriculum=0 train.curriculum_group=
  model.hidden_size=16 model.num_hidden_layers=2 model.num_attention_heads=2 model.intermediate_size=32 train.batch_size=4
  train.steps=30 train.evaluate_every=10 train.checkpoint_every=10 train.evaluate_samples=8 train.threads=2 data.shuffle_buffer=16)
succeeds "shards of validation" "written shards/val-*.tar: 1 shard, 8 pictures" data shard "${from[@]}" --split val --out shards
succeeds "training on shards" 'shards/train-*.tar: tar shards (data.kind = "shards"): 4 shards, 40 pictures' \
  train config.toml data.captions='shards/train-*.tar' data.validation_captions='shards/val-*.tar' "${small[@]}" train.out=run
succeeds "numbers in braces" "trained 30 steps" \
  train config.toml data.captions='shards/train-00000{0..3}.tar' data.validation_captions=data/dataset.json \
  "${small[@]}" data.images=data/images train.out=braces
mkdir packed
for i in 0 1 2 3; do gzip -c shards/train-00000$i.tar >packed/train-00000$i.tar.gz; done
succeeds "a folder of packed shards without indexes" "packed: 4 had no index and were read once to make it" \
  train config.toml data.captions=packed data.validation_captions='shards/val-*.tar' "${small[@]}" train.out=packed_run
succeeds "their indexes are there then" "packed: tar shards" \
  train config.toml data.captions=packed data.validation_captions='shards/val-*.tar' "${small[@]}" train.out=packed_run --fresh
! grep -q "had no index" stdout
report $? "and are not made again"
sed 's,^captions = .*,captions = "pipe:cat shards/train-00000{0..3}.tar",' config.toml >pipe.toml
succeeds "commands in the configuration" "4 shards, 40 pictures" \
  train pipe.toml data.validation_captions='pipe:cat shards/val-000000.tar' "${small[@]}" train.out=pipe_run
for run in braces packed_run pipe_run; do cmp run/checkpoint-30/model.safetensors $run/checkpoint-30/model.safetensors; done >output 2>&1
report $? "the same parameters from files, packed files and commands"
fails 2 "settings.toml: names the command 'pipe:cat shards/train-00000{0..3}.tar'" report pipe_run

# Killed in the middle, whenever it comes.
longer=(config.toml data.captions='shards/train-*.tar' data.validation_captions='shards/val-*.tar' "${small[@]}" train.steps=400)
"$vilt" train "${longer[@]}" train.out=whole_run >/dev/null 2>&1
"$vilt" train "${longer[@]}" train.out=killed_run >/dev/null 2>&1 &
process=$!
until ls killed_run/checkpoint-* >/dev/null 2>&1 || ! kill -0 $process 2>/dev/null; do sleep 0.02; done
kill -9 $process 2>/dev/null
wait $process 2>/dev/null
succeeds "a training that was killed goes on" "continuing from step" train "${longer[@]}" train.out=killed_run
cmp whole_run/checkpoint-400/model.safetensors killed_run/checkpoint-400/model.safetensors >output 2>&1
report $? "with the same parameters in the end"

succeeds "a vocabulary of shards" "from 40 captions" vocab --captions 'shards/train-*.tar' --size 100 --out of_shards.txt
succeeds "a model is measured on shards" "on 8 captions of split val" eval --model run --captions 'shards/val-*.tar' --split val
succeeds "shards from shards" "written other/train-*.tar: 2 shards, 40 pictures" data shard --captions packed --out other --samples 20
succeeds "a folder is verified" "48 of 48 samples are good" data verify shards
fails 2 "setting 'data.validation_captions' is empty" train config.toml data.captions='shards/train-*.tar' "${small[@]}" train.out=none_run
fails 2 "8 of its samples are of the split 'val'" \
  train config.toml data.captions=shards data.validation_captions=data/dataset.json "${small[@]}" train.out=none_run
fails 2 "tar shards are for pre-training; the task 'retrieval'" \
  train config.toml data.captions=packed "${small[@]}" train.task=retrieval train.out=none_run
fails 2 "data/dataset.json: the folder of its pictures is not named (--images, data.images)" \
  eval --model run --captions data/dataset.json
head -c 20000 shards/train-000001.tar >packed/cut.tar
call train config.toml data.captions=packed data.validation_captions='shards/val-*.tar' "${small[@]}" train.out=cut_run
[[ $status -eq 0 ]] && grep -q "^left out: packed/cut.tar: at byte " stdout
report $? "a cut shard is named, and the rest of it used"
fails 2 "1 sample cannot be used; at most 0 may be left out" train config.toml data.captions=packed \
  data.validation_captions='shards/val-*.tar' "${small[@]}" train.out=other_run data.max_bad_files=0

call data stats 'shards/train-*.tar' --vocab data/vocab.txt --sheet sheet.png --pictures 9
[[ $status -eq 0 ]] && grep -q '^images         40$' stdout && grep -q '^captions cut   0 (0.00 %)' stdout &&
  [[ $(head -c 4 sheet.png | tail -c 3) == PNG ]]
report $? "stats of shards, with a contact sheet"
tail -n +1 stdout | grep -v written >of_shards
call data stats "${from[@]}" --split train --vocab data/vocab.txt
diff stdout of_shards >output
report $? "stats of the captions file are the same"
fails 2 "sheet.png: exists already" data stats 'shards/train-*.tar' --sheet sheet.png --pictures 3
succeeds "stats as JSON" '"captions": 40' data stats 'shards/train-*.tar' --json
