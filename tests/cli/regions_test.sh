#!/usr/bin/env bash
# `vilt train` of a detector, `vilt regions detect` and `vilt regions extract`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_data
detector=("$root/configs/scenes-regions.toml" data.captions=data/dataset.json data.images=data/images
  data.annotations=data/annotations.jsonl train.steps=12 train.batch_size=8 train.evaluate_every=6
  train.checkpoint_every=6 train.log_every=3 train.threads=2)

succeeds "a detector is trained" "ap50" train "${detector[@]}" train.out=run
grep -q '"ap50"' run/summary.json && grep -q '"ap50/ring"' run/summary.json && grep -q '"untrained"' run/summary.json
report $? "summary.json has its average precision, and that of an untrained one"
succeeds "vilt info tells what it is for" "a detector, for vilt regions detect" info run
call train "${detector[@]}" train.out=stopped train.steps=6
succeeds "a run goes on" "continuing from step 6 of 12" train "${detector[@]}" train.out=stopped
fails 2 "'regions.preset' is 'huge'" train "${detector[@]}" train.out=other regions.preset=huge
fails 2 "'data.annotations' is empty" train "${detector[@]}" train.out=other data.annotations=
fails 2 "without the attribute 'size'" train "${detector[@]}" train.out=other regions.object=size

picture=data/images/test/000000.jpg
succeeds "detect" "$picture: " regions detect --model run --score 0 "$picture" data/images/test/000001.jpg
succeeds "one line of JSON for each picture" "{\"image\":\"$picture\",\"objects\":[{\"label\":\"" \
  regions detect --model run --score 0 --jsonl "$picture"
succeeds "a picture with the boxes" "drawn in red" regions detect --model run --score 0 --draw found.png "$picture"
[[ $(head -c 4 found.png | tail -c 3) == PNG ]]
report $? "is written"
fails 2 "found.png: exists already" regions detect --model run --draw found.png "$picture"
fails 2 "--draw is for one picture, not 2" regions detect --model run --draw a.png "$picture" "$picture"
fails 2 "cannot open x.png" regions detect --model run x.png
fails 2 "holds neither regions.json nor a file of weights" regions detect --model data "$picture"
printf 'a\nb\nc\n' >names.txt
fails 2 "3 names, but the detector has 6" regions detect --model run --classes names.txt "$picture"

succeeds "extract" "68 pictures" regions extract --model run --captions data/dataset.json --images data/images --output all.safetensors
fails 2 "all.safetensors: exists already" regions extract --model run --images data/images --output all.safetensors
succeeds "all pictures of a folder" "12 pictures" regions extract --model run --images data/images/test --output all.safetensors --force
cp -r data/images photos && echo nonsense >photos/bad.jpg
succeeds "a picture that cannot be read is left out" "68 pictures" regions extract --model run --images photos --output some.safetensors --bf16
grep -q "^left out: .*bad.jpg" stderr
report $? "and named"
fails 2 "--continue is for several files" regions extract --model run --images photos --output b.safetensors --continue
fails 2 "--images FOLDER or --captions FILE is required" regions extract --model run --output b.safetensors
fails 2 "none: no such folder" regions extract --model run --images none --output b.safetensors
succeeds "several files" "part-000000.safetensors: 68 pictures" \
  regions extract --model run --images photos --output part.safetensors --shard-size 1
succeeds "go on where they end" "0 pictures (69 with those before)" \
  regions extract --model run --images photos --output part.safetensors --shard-size 1 --continue
