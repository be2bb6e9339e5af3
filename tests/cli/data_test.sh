#!/usr/bin/env bash
# The command lines of docs/data.md, run as they stand there on small data in the published layouts.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

formats=$root/tests/golden/data/formats api=$root/tests/golden/data/coco_captions_api

cp -r "$formats/coco" coco && cp -r "$api"/{annotations,train2014,val2014} coco/ && mv coco/karpathy/* coco/
cp "$api/lists/coco_train.json" coco/coco_karpathy_train.json
(cd coco && for picture in val2014/*; do echo "{\"image\": \"$picture\", \"caption\": [\"a red bus\", \"a bus\"]}"; done |
  paste -sd, | sed 's/.*/[&]/' >coco_karpathy_val.json)
cp -r "$formats/f30k" f30k && mv f30k/karpathy/* f30k/
cp -r "$formats/vg" vg
cp -r "$formats/gcc" gcc
cp -r "$formats/sbu" sbu
cp -r "$api/img2dataset_files" cc12m
picture=0
mkdir -p pictures && cp -r cc12m/00000 pictures/holiday
{
  echo image,text,split
  for split in train train train val test; do
    picture=$((picture + 1))
    cp cc12m/00000/000000000.jpg "pictures/holiday/$picture.jpg"
    echo "holiday/$picture.jpg,\"a \"\"red\"\" ring, round\",$split"
    echo "holiday/$picture.jpg,a blue cross,$split"
  done
} >pairs.csv

cat >config.toml <<'TOML'
[image]
resize = "shorter"
shorter = 32
[model]
hidden_size = 16
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 32
image_size = 32
patch_size = 16
[train]
steps = 2
batch_size = 4
evaluate_every = 0
threads = 2
TOML

succeeds "vocabulary of Visual Genome" "from 15 captions" \
  vocab --captions vg/annotations/region_descriptions.json --size 80 --out vocab.txt

run=0
while IFS= read -r line; do
  ((++run))
  read -ra words <<<"${line#*build/vilt }"
  succeeds "docs/data.md: ${words[*]:2}" "trained 2 steps" "${words[@]}" data.vocabulary=vocab.txt "train.out=runs/$run"
  case ${words[*]} in
    *validation_captions*) ! grep -q "held out" stdout ;;
    *region_desc* | *sbu/* | *cc12m*) grep -q "held out by their names are 1 as val and 1 as test" stdout ;;
  esac
  report $? "... the splits are those that docs/data.md tells"
done < <(sed -e ':a' -e '/\\$/N; s/\\\n *//; ta' "$root/docs/data.md" | grep '^    build/vilt train' | grep -v CAPTIONS)
[[ $run -ge 9 ]]
report $? "docs/data.md has a line for each data set"

succeeds "vocabulary of several files" "from 21 captions" \
  vocab --captions gcc/Train_GCC-training.tsv vg/annotations/region_descriptions.json --size 80 --out both.txt
succeeds "data sets are mixed" "trained on: 6 captions of gcc/Train_GCC-training.tsv, weight 1" \
  train config.toml data.vocabulary=both.txt train.out=runs/sets data.validation_captions=gcc/Validation_GCC-1.1.0-Validation.tsv \
  'data.sets=[{captions = "gcc/Train_GCC-training.tsv", images = "gcc", weight = 1}, {captions = "vg/annotations/region_descriptions.json", images = "vg", weight = 3}]'
grep -q 'trained on: 24 captions of vg/annotations/region_descriptions.json, weight 3' stdout && grep -q '^trained 2 steps' stdout
report $? "... by their weights"
succeeds "the report of such a run" "report: runs/sets/report.html" report runs/sets

succeeds "a trained model is measured on another layout" "captions of split val" \
  eval --model runs/1 --captions gcc/val_annot.json --images gcc --split val
fails 2 "no image has the split 'test'; the file has val (2), as its name says" \
  eval --model runs/1 --captions gcc/val_annot.json --images gcc
rm gcc/images_val/0000/0000001
fails 2 "gcc/images_val/0000/0000001 does not exist" \
  eval --model runs/1 --captions gcc/val_annot.json --images gcc --split val --max-bad-files 0
succeeds "... without pictures that are missing, unless told so" "left out: gcc/images_val/0000/0000001: there is no such file" \
  eval --model runs/1 --captions gcc/val_annot.json --images gcc --split val
cp "$formats/bad/captions.tsv" .
fails 2 "captions.tsv: 10 lines cannot be used; at most 9 may be left out" \
  vocab --captions captions.tsv --size 60 --out v.txt --max-bad-files 9
succeeds "damaged lines are named" "captions.tsv: line 5 is no valid UTF-8" \
  vocab --captions captions.tsv --size 60 --out v.txt
fails 2 "data.kind is 'sub', expected one of: auto, karpathy, coco" \
  vocab --captions captions.tsv --size 60 --out v.txt --captions-kind sub

# The page's other lines, which need files of their own, each as it stands there, given to a shell. Training has few steps by its config.toml.
mkdir bin && ln -s "$vilt" bin/vilt
lines=0
runs_line() {
  lines=$((lines + 1))
  (cd "$1" && PATH="$work/bin:$PATH" bash -euo pipefail -c "$2") >"$work/output" 2>&1 </dev/null
  report $? "docs/data.md: $2"
}
folder_of() {
  mkdir -p "$1/build" && ln -s "$vilt" "$1/build/vilt" && cp config.toml "$1/"
}

# CAPTIONS and IMAGES may be of any layout.
folder_of any && cp pairs.csv any/CAPTIONS && cp -r pictures any/IMAGES
while IFS= read -r line; do runs_line any "$line"; done < <(grep '^    build/.*CAPTIONS' "$root/docs/data.md" | sed 's/^    //')

# The table of several data sets, with the vocabulary that its line makes of them.
folder_of several && cp -r coco vg several/
while IFS= read -r line; do runs_line several "$line"; done < <(sed -n 's/^    \(build\/vilt vocab .* coco.*\)/\1/p' "$root/docs/data.md")
awk '/^```toml/{inside = 1; next} /^```/{inside = 0} inside' "$root/docs/data.md" >>several/sets.toml
sed '/^$/d' config.toml >>several/sets.toml
runs_line several "build/vilt train sets.toml"
grep -q 'coco/dataset_coco.json, weight 2' output && grep -q 'region_descriptions.json, weight 3' output
report $? "... with the weights that the page gives"

# Shards: of the built-in pictures.
"$vilt" scenes --kind scenes --out sharded --train 30 --val 8 --test 8 --test-unseen 2 >output 2>&1 && folder_of sharded &&
  "$vilt" vocab --captions sharded/dataset.json --size 120 --out sharded/vocab.txt >output 2>&1
report $? "files to make shards of"
while IFS= read -r line; do runs_line sharded "$line"; done < <(sed -n 's/^    \(vilt .*\)/\1/p' "$root/docs/data.md")
[[ -s sharded/sheet.png && -s sharded/runs/vilt/summary.json ]]
report $? "... which leave a contact sheet and a trained model"
[[ $((run + lines)) -eq $(($(grep -c '^    \(build/\)\?vilt ' "$root/docs/data.md") + 1)) ]]
report $? "every line of docs/data.md was run: $((run + lines - 1)) and a training on its table of sets"

# What lies where: the folders that the page names are those of these tests.
while IFS= read -r path; do
  name=${path%%…*}
  [[ -e $name || (${name##*/} =~ ^(COCO_|[0-9]) && -d ${name%/*}) ]] || echo "$path is not there"
done < <(sed -n 's/^    \([a-z0-9]*\/.*\)/\1/p' "$root/docs/data.md" | grep -v '^build/' | tr -s ' ' '\n' | grep /) >output
[[ ! -s output ]]
report $? "the folders are laid out as docs/data.md says"
