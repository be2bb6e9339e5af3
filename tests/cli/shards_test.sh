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
