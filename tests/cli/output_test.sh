#!/usr/bin/env bash
# Output that cannot be written, files that are there already, names that would steer a terminal.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_data
call train "${tiny[@]}" train.out=run train.steps=4
[[ $status -eq 0 ]] || exit 1
cp data/images/test/000000.jpg picture.jpg
echo '{"image": "picture.jpg", "text": "a [MASK] ring"}' >query.jsonl

# unwritten NAME REASON: status 1 and the message.
unwritten() {
  local name=$1 reason=$2
  [[ $status -eq 1 ]] && grep -qxF "vilt: the output could not be written to standard output: $reason" stderr
  report $? "$name"
}

evaluation=(eval --model run --captions data/dataset.json --images data/images)
number=0
while read -r line; do
  read -ra arguments <<<"${line//@/$((++number))}"
  "$vilt" "${arguments[@]}" >/dev/full 2>stderr </dev/null
  status=$?
  cp stderr output
  unwritten "a full disk: vilt ${arguments[*]}" "No space left on device"
  read -ra arguments <<<"${line//@/$((++number))}"
  "$vilt" "${arguments[@]}" >&- 2>stderr </dev/null
  status=$?
  cp stderr output
  unwritten "a closed descriptor: vilt ${arguments[*]}" "Bad file descriptor"
done <<EOF

--help
--version
train --help
scenes --kind scenes-quick --out scenes@ --train 2 --val 2 --test 2 --test-unseen 2
vocab --captions data/dataset.json --size 60 --out v@.txt
train ${tiny[*]} train.out=run train.steps=4
train ${tiny[*]} train.out=run@ train.steps=2 train.log_every=1
report run
${evaluation[*]}
${evaluation[*]} --json
answer --help
fill --model run --jsonl query.jsonl
fill --model run picture.jpg [MASK]
match --model run picture.jpg ring
rank --model run picture.jpg ring --json
align --model run picture.jpg ring --out maps
convert run converted@
info run
info $root/configs/scenes.toml
gradcheck --op gelu
EOF
[[ $number -eq 42 ]]
report $? "every line of the table was tried"

# Queries end where their answers cannot be written.
for _ in {1..400}; do cat query.jsonl; done >many.jsonl
echo '{"image": "none.jpg", "text": "a [MASK] ring"}' >>many.jsonl
"$vilt" fill --model run --jsonl many.jsonl --batch 4 >/dev/full 2>stderr
status=$?
cp stderr output
unwritten "the first batch that cannot be written ends the queries" "No space left on device"

# A data file must not become standard output: were its descriptor 1, the answers would be written into it.
cp -r run untouched
"$vilt" match --model run picture.jpg ring <&- >&- 2>&-
[[ $? -eq 1 ]] && diff -r run untouched >output
report $? "with all descriptors closed no file is written to"
"$vilt" match --model run picture.jpg ring >stdout 2>&- <&- && grep -q ring stdout
report $? "standard error may be closed"

# What is there already.
cp data/dataset.json captions.json
ln captions.json other-name.json
ln -s captions.json link.json
for out in captions.json ./captions.json other-name.json link.json "$PWD/captions.json"; do
  for force in "" --force; do
    # shellcheck disable=SC2086
    fails 2 "is the captions file; name another file" vocab --captions captions.json --size 60 --out "$out" $force
  done
done
cmp -s captions.json data/dataset.json
report $? "the captions are as they were"
succeeds "the same vocabulary is kept" "kept data/vocab.txt" vocab --kind scenes --captions data/dataset.json --out data/vocab.txt
cp data/vocab.txt vocabulary-before
fails 2 "data/vocab.txt: exists already; name another file, or replace it with --force" \
  vocab --captions data/dataset.json --size 60 --out data/vocab.txt
cmp -s data/vocab.txt vocabulary-before
report $? "another vocabulary does not replace one"
cp data/vocab.txt v.txt
succeeds "--force replaces it" "written v.txt: 60 tokens" vocab --captions data/dataset.json --size 60 --out v.txt --force
mkfifo pipe
fails 2 "pipe: is no file that could be replaced" vocab --captions data/dataset.json --size 60 --out pipe --force
fails 2 "data: is no file that could be replaced" vocab --captions data/dataset.json --size 60 --out data --force

echo mine >authors.safetensors.writing
succeeds "convert" "the authors' names" convert run authors.safetensors --names authors
cp authors.safetensors before
fails 2 "authors.safetensors: exists already" convert run authors.safetensors --names authors --dtype bf16
cmp -s authors.safetensors before
report $? "convert leaves a file as it was"
[[ $(cat authors.safetensors.writing) == mine ]]
report $? "and what is beside it"
succeeds "convert --force" "the authors' names" convert run authors.safetensors --names authors --dtype bf16 --force
mkdir out.old out.partial
touch out.old/mine out.partial/mine
succeeds "convert into a new folder" "ViltForMaskedLM" convert run out
succeeds "and over it" "ViltForMaskedLM" convert run out --force
[[ -e out.old/mine && -e out.partial/mine && $(echo out out.*) == "out out.old out.partial" ]]
report $? "folders beside it are nobody's business, and none is left"

succeeds "align" "pictures/01-ring.png" align --model run picture.jpg ring --out pictures
succeeds "the same pictures are kept" "pictures/01-ring.png" align --model run picture.jpg ring --out pictures
cp pictures/01-ring.png earlier
succeeds "maps of its own are replaced" "pictures/01-ring.png" align --model run picture.jpg ring --out pictures --layer 1
! cmp -s pictures/01-ring.png earlier
report $? "... by those that were asked for"
echo mine >pictures/02-ring.png
fails 2 "pictures/02-ring.png: exists already" align --model run picture.jpg "ball ring" --out pictures
[[ $(cat pictures/02-ring.png) == mine && ! -e pictures/01-ball.png ]]
report $? "align writes all or none"
succeeds "align --force" "pictures/02-ring.png" align --model run picture.jpg "ball ring" --out pictures --force

for name in settings.toml metrics.jsonl summary.json report.html; do
  mkdir "folder-$name"
  echo mine >"folder-$name/$name"
  for fresh in "" --fresh; do
    # shellcheck disable=SC2086
    fails 2 "folder-$name: holds $name but no run" train "${tiny[@]}" "train.out=folder-$name" $fresh
  done
  [[ $(cat "folder-$name/$name") == mine && $(ls -A "folder-$name") == "$name" ]]
  report $? "train leaves a $name that is not its own"
done
rm run/.lock
succeeds "a run that was copied without hidden files is still one" "is finished" train "${tiny[@]}" train.out=run train.steps=4

# Names of files on a terminal.
name=$'\e[31mred\x9b\xc2\x9b\n\r.jpg'
escaped='\x1b[31mred\x9b\xc2\x9b\x0a\x0d.jpg'
fails 2 "cannot open $escaped: No such file or directory" match --model run "$name" ring
cp -r run $'run\e[31m'
# A line break in a name does not end a message.
mkdir $'new\nline'
cd $'new\nline' || exit 1
cp -r ../run run
cp -r ../run broken
rm broken/summary.json
for file in "$PWD"/broken/checkpoint-4/{config.json,state.json}; do echo '{' >"$file"; done
cp -r broken/checkpoint-4 weights
echo nothing | tee broken.{safetensors,pt,toml,json,jpg,txt} >weights/model.safetensors
cp -r ../run/checkpoint-4 shards
echo '{"weight_map": {"a": "b.safetensors"}}' >shards/model.safetensors.index.json
rm shards/model.safetensors
here=$PWD
cd "$work" || exit 1
while read -r line; do
  read -ra arguments <<<"$line"
  arguments=("${arguments[@]//@/$here}")
  call "${arguments[@]}"
  [[ $status -eq 2 ]] && head -n 1 "$work/stderr" | grep -qF 'new\x0aline' && ! grep -q '^line' "$work/stderr"
  report $? "a line break in a name: vilt $line"
done <<EOF
info @/none
info @/broken.safetensors
info @/broken.pt
info @/broken.toml
info @/weights
info @/shards
match --model @/broken.json @/broken.jpg ring
match --model @/run @/broken.jpg ring
match --model @/run --vocab @/broken.txt @/broken.jpg ring
answer --model @/run @/broken.jpg ring
fill --model @/run --jsonl @/broken.json
eval --model @/run --captions @/broken.json --images @
train @/broken.toml
train ${tiny[*]} train.steps=4 train.out=@/run optimizer.clip=3
train ${tiny[*]} train.steps=4 train.out=@/broken
train ${tiny[*]} train.steps=4 train.out=@/x train.init_from=@/weights
train ${tiny[*]} train.steps=4 train.out=@/x data.vocabulary=@/none
report @/broken
convert @/run @/weights
vocab --captions @/broken.json --size 99 --out @/v.txt
scenes --kind scenes --out @/run
align --model @/run @/broken.jpg ring --out @/maps
EOF
if [[ -x $(command -v script) ]]; then
  # By a variable: the shell that `script` starts need not know bash's $'...'.
  folder=$'run\e[31m' script -qec "'$vilt' info \"\$folder\"" terminal >/dev/null </dev/null
  cp terminal output
  grep -qF 'run\x1b[31m/checkpoint-4' terminal && ! grep -qF $'\e[31m' terminal
  report $? "standard output on a terminal escapes them"
  # What may take long says on a terminal what it is doing, and elsewhere nothing.
  speaks() {
    local words=$1
    shift
    command="'$vilt' $*" SHELL=/bin/sh script -qec 'eval "$command"' terminal >/dev/null </dev/null
    "$vilt" "$@" >output 2>stderr </dev/null
    grep -qF "$words" terminal && ! grep -qF "$words" output stderr
    report $? "on a terminal: vilt $1 says '$words'"
  }
  speaks "reading data/dataset.json" eval --model run --captions data/dataset.json --images data/images
  speaks "evaluating: " eval --model run --captions data/dataset.json --images data/images
  speaks "tokens 60 / 60" vocab --captions data/dataset.json --size 60 --out v.txt --force
  speaks "counting words" vocab --captions data/dataset.json --size 60 --out v.txt --force
  speaks "reading run" info run
  speaks "writing converted" convert run converted --force
  speaks "reading run" match --model run picture.jpg ring
  speaks "making the report" report run
  speaks "looking at the sizes" train "${tiny[@]}" train.out=run train.steps=4 --fresh
else
  echo "skipped: names on a terminal (there is no command script)"
fi
