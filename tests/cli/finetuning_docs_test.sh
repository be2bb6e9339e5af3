#!/usr/bin/env bash
# The commands of docs/finetuning.md, and of README's shortest way from a table to answers, as they stand there, on small files in the
# published layouts.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
call scenes --kind scenes --out data --train 24 --val 8 --test 8 --test-unseen 2 --tasks && [[ $status -eq 0 ]] || exit 1
call vocab --kind scenes --captions data/dataset.json --out data/vocab.txt && [[ $status -eq 0 ]] || exit 1
call train "${tiny[@]}" train.out=runs/begun train.steps=2 && [[ $status -eq 0 ]] || exit 1
call convert runs/begun vilt-b32-mlm-itm && [[ $status -eq 0 ]] || exit 1

mkdir -p build coco/images nlvr2
ln -s "$vilt" build/vilt
cp -r data/images/* coco/
cp data/dataset.json coco/dataset_coco.json
for part in train:train2014 val:val2014; do
  mkdir -p "coco/${part#*:}"
  cp "data/tasks/v2_OpenEnded_scenes_${part%:*}_questions.json" "coco/v2_OpenEnded_mscoco_${part#*:}_questions.json"
  cp "data/tasks/v2_scenes_${part%:*}_annotations.json" "coco/v2_mscoco_${part#*:}_annotations.json"
  sed -i "s/\"data_subtype\":\"[a-z]*\"/\"data_subtype\":\"${part#*:}\"/" coco/v2_*"${part#*:}"_*.json
  for picture in "data/images/${part%:*}"/*.jpg; do
    cp "$picture" "coco/${part#*:}/COCO_${part#*:}_000000$(basename "$picture")"
  done
done
cp -r data/tasks/nlvr2/* nlvr2/
mv nlvr2/val nlvr2/dev
mv nlvr2/test nlvr2/test1
sed 's/"val-/"dev-/' nlvr2/val.json >nlvr2/dev.json
sed 's/"test-/"test1-/' nlvr2/test.json >nlvr2/test1.json
for picture in nlvr2/dev/val-* nlvr2/test1/test-*; do
  mv "$picture" "$(sed -e 's|/val-|/dev-|' -e 's|/test-|/test1-|' <<<"$picture")"
done
cp -r coco f30k
mv f30k/dataset_coco.json f30k/dataset_flickr30k.json
call eval --model vilt-b32-mlm-itm --task retrieval --captions coco/dataset_coco.json --images coco --scores clip.safetensors
[[ $status -eq 0 ]] || exit 1
mkdir clip-vit-base-patch32 && "$(dirname "$vilt")/tests/write_tiny_clip" clip-vit-base-patch32 || exit 1
mkdir pictures
echo image,question,answer >questions.csv
for i in {0..23}; do
  cp "data/images/train/$(printf '%06d' "$i").jpg" "pictures/$i.jpg"
  echo "$i.jpg,what colour is the ring?,red" >>questions.csv
done
mkdir -p shapes/train/images
for i in {0..23}; do
  cp "data/images/train/$(printf '%06d' "$i").jpg" "shapes/train/images/$i.jpg"
  echo "{\"image\": \"train/images/$i.jpg\", \"question\": \"what color is the shape?\", \"answer\": \"teal\"}"
done >shapes/questions.jsonl
head -n 8 shapes/questions.jsonl >shapes/test.jsonl
cp data/images/test/000000.jpg photo.jpg
cp data/images/test/000001.jpg left.jpg
cp data/images/test/000002.jpg right.jpg

# Each block of indented lines is given to a shell of its own.
sed -n 's/^    //p' "$root/docs/finetuning.md" | grep -q 'build/vilt train vqa.toml'
report $? "the commands are found"
blocks_of() {
  awk '/^    /{sub(/^    /, ""); print; inside = 1; next} inside && /^$/{print ""; next} {inside = 0}'
}
blocks=$(blocks_of <"$root/docs/finetuning.md"; echo; sed -n '/^## Your own data/,/^A twentieth/p' "$root/README.md" | blocks_of)
commands=0
run_block() {
  if [[ $1 == "import "* ]]; then
    echo "skipped: $(tail -n 1 <<<"${1%$'\n'}") (Python)"
    return
  fi
  bash -euo pipefail -c "$1" >"$work/output" 2>&1
  report $? "$(tail -n 1 <<<"${1%$'\n'}")"
  commands=$((commands + 1))
}
block=""
while IFS= read -r line; do
  if [[ -z $line && -n $block ]]; then
    run_block "$block"
    block=""
  elif [[ -n $line ]]; then
    block+=$line$'\n'
  fi
done <<<"$blocks"$'\n'
[[ $commands -ge 4 ]]
report $? "blocks that were run: $commands"
