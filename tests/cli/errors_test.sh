#!/usr/bin/env bash
# Every message that a wrong command line can meet: on stderr, with status 2 for bad input and 1 for a failure.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
make_data
call train "${tiny[@]}" train.out=run train.steps=4
image=$(find data/images/test -name '*.jpg' | sort | head -n 1)

fails 2 "there is no command 'trian'; did you mean 'train'? (vilt --help lists them)" trian
fails 2 "there is no command 'xyz' (vilt --help lists them)" xyz
fails 2 "--bogus (see vilt train --help)" train x.toml --bogus
fails 2 "--precision: f16 not in {highest,high,tf32,bf16} (see vilt train --help)" train x.toml --precision f16
fails 2 "CONFIG is required (see vilt train --help)" train
fails 2 "--kind is required (see vilt scenes --help)" scenes --out x

fails 2 "scenes: kind is 'foo', expected scenes or scenes-quick" scenes --kind foo --out x
fails 2 "split train has 3 scenes, expected an even number" scenes --kind scenes --out x --train 3
fails 2 "no scenes are asked for" scenes --kind scenes --out x --train 0 --val 0 --test 0 --test-unseen 0
fails 2 "--seed: '-1' is no whole number from 0 on" scenes --kind scenes --out x --seed -1
fails 2 "holds a data set with other settings" scenes --kind scenes --out data
fails 2 "replace it with --force" scenes --kind scenes --out data
fails 2 "run exists and is no data set written by" scenes --kind scenes --out run
fails 2 "/dev/null/x: Not a directory" scenes --kind scenes --out /dev/null/x

fails 2 "--size is 0, expected the number of tokens" vocab --captions data/dataset.json --out v.txt
fails 2 "size is 7, expected at least" vocab --captions data/dataset.json --out v.txt --size 7
fails 2 "cannot open none.json: No such file or directory" vocab --captions none.json --out v.txt --size 99
fails 2 "no image has the split 'foo'" vocab --captions data/dataset.json --split foo --out v.txt --size 99
fails 2 "/dev/null: Not a directory" vocab --captions data/dataset.json --out /dev/null/v.txt --size 99
echo '{"images": [' >broken.json
fails 2 "broken.json" vocab --captions broken.json --out v.txt --size 99
[[ ! -e v.txt ]]
report $? "no half vocabulary is left"

fails 2 "cannot open none.toml: No such file or directory" train none.toml
fails 2 "cannot read data: it is not a regular file" train data
printf '[train]\nsteps = = 3\n' >broken.toml
fails 2 "broken.toml: line 2" train broken.toml
printf '[train]\nstepz = 3\n' >unknown.toml
fails 2 "unknown.toml: unknown setting 'train.stepz'; did you mean 'train.steps'?" train unknown.toml
fails 2 "unknown setting 'steps'; did you mean 'train.steps'?" train "${tiny[@]}" train.out=x steps=3
fails 2 "setting 'nonsense': expected section.key=value" train "${tiny[@]}" train.out=x nonsense
fails 2 "'train.steps' is 'abc', expected a whole number" train "${tiny[@]}" train.out=x train.steps=abc
fails 2 "'train.steps' is 1.5, expected a whole number" train "${tiny[@]}" train.out=x train.steps=1.5
fails 2 "'optimizer.clip' is 'abc', expected a number" train "${tiny[@]}" train.out=x optimizer.clip=abc
fails 2 "expected true or false" train "${tiny[@]}" train.out=x model.tie_word_embeddings=1
fails 2 "'train.steps' is 0, expected at least 1" train "${tiny[@]}" train.out=x train.steps=0
fails 2 "'image.resize' is 'x', expected one of: shorter, none" train "${tiny[@]}" train.out=x image.resize=x
fails 2 "'objectives.mask_rate' is 2, expected more than 0 and at most 1" train "${tiny[@]}" train.out=x objectives.mask_rate=2
fails 2 "expected a multiple of 'train.accumulate'" train "${tiny[@]}" train.out=x train.accumulate=3
fails 2 "hidden_size 17 is not a multiple of 2 attention heads" train "${tiny[@]}" train.out=x model.hidden_size=17
fails 2 "'objectives.content_first' needs 'data.annotations'" train "${tiny[@]}" train.out=x data.annotations=
fails 2 "none.json: no such file (setting 'data.captions')" train "${tiny[@]}" train.out=x data.captions=none.json
fails 2 "no vocabulary there; \`vilt vocab\` makes one" train "${tiny[@]}" train.out=x data.vocabulary=none.txt
fails 2 "none: the image folder does not exist" train "${tiny[@]}" train.out=x data.images=none
fails 2 "no image has the split 'foo'" train "${tiny[@]}" train.out=x data.validation_split=foo
fails 2 "is in the group 'foo' (train.curriculum_group)" train "${tiny[@]}" train.out=x train.curriculum_group=foo
fails 2 "/dev/null/x: Not a directory" train "${tiny[@]}" train.out=/dev/null/x
fails 2 "holds a run with other settings; use --fresh to start over" train "${tiny[@]}" train.out=run train.seed=5
grep -qF '  now     [train] seed = 5' stderr && grep -qF '  before  [train] seed = 0' stderr
report $? "the settings that differ are named"
fails 1 "nothing was updated" train "${tiny[@]}" train.out=x optimizer.learning_rate=1e30
grep -q 'sentences [0-9]' stderr && grep -q 'is not finite' stderr
report $? "step, sentences and the first bad tensor are named"

cp -r data bad && head -c 200 data/images/train/000000.jpg >bad/images/train/000000.jpg
damaged=(data.images=bad/images train.out=x train.steps=20 --fresh)
fails 2 "000000.jpg" train "${tiny[@]}" "${damaged[@]}" data.max_bad_files=0
succeeds "a bad image is left out" "1 images left out" train "${tiny[@]}" "${damaged[@]}"
grep -q '^left out: .*000000.jpg' stderr
report $? "and named"
rm bad/images/train/000000.jpg
fails 2 "the file bad/images/train/000000.jpg does not exist (1 of 68 images)" train "${tiny[@]}" "${damaged[@]}" \
  data.max_bad_files=0
rm bad/images/{val,test}/000001.jpg
fails 2 "3 of 68 images have no file: bad/images/t" train "${tiny[@]}" "${damaged[@]}" data.max_bad_files=2
succeeds "missing images of every split are left out" "1 images left out" train "${tiny[@]}" "${damaged[@]}" \
  data.max_bad_files=3
for split in train val test; do grep -q "^left out: .*bad/images/$split/.*o such file" output || echo "$split"; done >splits
[[ ! -s splits ]]
report $? "and named"
succeeds "a report of them is made again" "report: x/report.html" report x

fails 2 "none: no such file or directory; expected a model's folder, a run or a file of weights" match --model none "$image" ring
fails 2 "neither a model (model.safetensors, pytorch_model.bin) nor a run with a checkpoint" match --model data "$image" ring
cp -r run/checkpoint-4 cut && head -c 1000 run/checkpoint-4/model.safetensors >cut/model.safetensors
fails 2 "cut/model.safetensors" match --model cut "$image" ring
cp -r run/checkpoint-4 few && sed -i '$d' few/vocab.txt
fails 2 "few/vocab.txt: has" match --model few "$image" ring
cp -r run/checkpoint-4 text && echo hello >text/config.json
fails 2 "text/config.json" match --model text "$image" ring
fails 2 "cannot open none.jpg: No such file or directory" match --model run none.jpg ring
fails 2 "data/vocab.txt" match --model run data/vocab.txt ring
head -c 300 "$image" >cut.jpg
fails 2 "cut.jpg" match --model run cut.jpg ring
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12345\n' | tee pointer.jpg pointer.bin >pointer.safetensors
pointer="the file is a pointer of git-lfs (the file itself was not downloaded: git lfs pull), expected"
fails 2 "pointer.jpg: $pointer a JPEG, PNG, WebP or GIF picture" match --model run pointer.jpg ring
fails 2 "pointer.safetensors: $pointer a safetensors file" info pointer.safetensors
fails 2 "pointer.bin: $pointer the zip archive that torch.save writes" info pointer.bin
fails 2 "pointer.jpg: not valid JSON: it is a pointer of git-lfs" vocab --captions pointer.jpg --out v.txt --size 99
printf '<!DOCTYPE html><html>404</html>' >page.jpg
fails 2 "page.jpg: the file is an HTML page" match --model run page.jpg ring
base64 -d >dot.png <<<iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==
fails 2 "dot.png: 1 x 1 pixels; this model takes pictures at their own size" match --model run dot.png ring
fails 2 "CAPTION is required (see vilt match --help)" match --model run "$image"
fails 2 "the text '' has no words" align --model run "$image" "" --out maps
long=$(printf 'ring %.0s' {1..39})
fails 2 "has 39 tokens, and this model takes at most 38; shorten it" match --model run "$image" "$long"
fails 2 "has no [MASK]; write [MASK] for each hidden word piece" fill --model run "$image" "a ring"
fails 2 "--top is 0, expected at least 1" fill --model run "$image" "a [MASK]" --top 0
fails 2 "--map is 'foo', expected attention, plan or plan-training" align --model run "$image" ring --out maps --map foo
fails 2 "--layer is 3, expected 1 to 2" align --model run "$image" ring --out maps --layer 3
fails 2 "/dev/null/x: Not a directory" align --model run "$image" ring --out /dev/null/x

flags=(eval --model run --captions data/dataset.json --images data/images)
fails 2 "needs the annotation field 'group'" "${flags[@]}" --group one_object
fails 2 "no caption is of group 'one'; the groups are 'one_object', 'two_objects'" \
  "${flags[@]}" --group one --annotations data/annotations.jsonl
fails 2 "--limit: 'x' is no whole number from 0 on" "${flags[@]}" --limit x
fails 2 "no image has the split 'foo'; the file has test (12)" "${flags[@]}" --split foo
fails 2 "cannot open none.jsonl" "${flags[@]}" --annotations none.jsonl

fails 2 "none: no such file or directory; expected a model's folder, a file of weights or a TOML file" info none
fails 2 "--grid is '5', expected ROWSxCOLUMNS of patches" info run --grid 5
fails 2 "--text is 41, expected 2 to 40 tokens" info run --text 41
fails 2 'no op'\''s name contains "foo"; there are a' gradcheck --op foo
fails 2 "none: no such directory; expected the folder of a run" report none
fails 2 "data: no run (there is no settings.toml)" report data
rm run/summary.json
fails 2 "run: the run is not finished; \`vilt train\` continues it" report run

# Settings: what they are called elsewhere, what cannot be, what cannot fit.
fails 2 "vilt: unknown setting 'train.lr'; did you mean 'optimizer.learning_rate'?" train "${tiny[@]}" train.out=x train.lr=1
fails 2 "setting 'objectives.mlm_weight' is -1, expected at least 0" train "${tiny[@]}" train.out=x objectives.mlm_weight=-1
fails 2 "setting 'train.batch_size' is 1000000000, expected 1 to 1000000" train "${tiny[@]}" train.out=x train.batch_size=1000000000
fails 2 "lower model.hidden_size (1000000) or model.num_hidden_layers (2)" train "${tiny[@]}" train.out=x model.hidden_size=1000000
fails 2 "lower data.prefetch (10000) or train.batch_size (1000000)" \
  train "${tiny[@]}" train.out=x train.batch_size=1000000 data.prefetch=10000 train.steps=20000
fails 2 "lower model.hidden_size (65536) or model.num_hidden_layers (10000)" \
  train "${tiny[@]}" train.out=x model.hidden_size=65536 model.num_hidden_layers=10000
printf '[data]\ncaptions = "a"\nimages = "b"\n[model]\nhidden_size = 65536\nnum_attention_heads = 2\nnum_hidden_layers = 10000\n' >large.toml
fails 2 "settings: the model takes at least" info large.toml

# Where the system gives no memory: a message with a setting, no hang, wherever it runs out.
for kibibytes in 60000 80000 100000 130000 200000; do
  (ulimit -v "$kibibytes" && timeout 60 "$vilt" train "${tiny[@]}" train.out=x --fresh) >stdout 2>stderr </dev/null
  status=$?
  cat stdout stderr >output
  # The first limits may be too low to start the program (under a sanitizer all are), the last high enough for some
  # machine's.
  if ! (ulimit -v "$kibibytes" && "$vilt" --version) >/dev/null 2>&1; then
    echo "skipped: $kibibytes KiB (the program does not start in that)"
  else
    [[ $status -ne 124 && $status -le 2 ]] && { [[ $status -eq 0 ]] || grep -q '^vilt: .*lower ' stderr; }
    report $? "in $kibibytes KiB"
  fi
done
