#!/usr/bin/env bash
# `vilt embed`, `vilt search` and `vilt classify`, with a small CLIP whose weights are drawn.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
mkdir clip && "$(dirname "$vilt")/tests/write_tiny_clip" clip || exit 1
call scenes --kind scenes --out data --train 4 --val 2 --test 2 --test-unseen 2 && [[ $status -eq 0 ]] || exit 1
mkdir photos && find data/images -type f -exec cp {} photos \;
count=$(find photos -type f | wc -l)
mkdir photos/more && mv "$(printf '%s\n' photos/*.* | head -n 1)" photos/more/a.png

succeeds "search tells pictures by their names" "more/a.png" search --model clip photos red ring --top "$count"
[[ $(grep -c '  .*\.[a-z]*$' stdout) -eq $((2 * count)) && $(sed -n 1p stdout) == red ]]
report $? "all of them for each text"
sed -n "2,$((count + 1))p" stdout | cut -d' ' -f1 | sort -gr | diff -q - <(sed -n "2,$((count + 1))p" stdout | cut -d' ' -f1) >/dev/null
report $? "nearest first"
cp stdout first
succeeds "embed keeps the vectors" "index.safetensors: $count pictures, $count of them computed now" \
  embed --model clip --images photos --out index.safetensors
succeeds "search with them" "more/a.png" search --model clip photos red ring --top "$count" --index index.safetensors
grep -qF "0 of them computed now" stderr && cmp -s first stdout
report $? "gives the same, and computes nothing"
rm photos/more/a.png && cp "$(printf '%s\n' photos/*.* | tail -n 1)" photos/new.png && echo nonsense >photos/bad.jpg
succeeds "pictures that came and went" "new.png" search --model clip photos red --top "$count" --index index.safetensors
grep -qF "$count pictures, 1 of them computed now" stderr && grep -q "^left out: .*bad.jpg" stderr && ! grep -q "a.png" stdout
report $? "are seen, and one that cannot be read is named"
succeeds "one line of JSON for each text" '{"text":"red","results":[{"image":"' search --model clip photos red --json

succeeds "classes with their probabilities" "circle" classify --model clip --classes "ring, circle,square" --template "a {}" photos/new.png
awk '{ sum += $1 } END { exit !(sum > 0.999 && sum < 1.001) }' stdout
report $? "which sum to 1"
printf 'ring\r\ncircle\n' >classes.txt
succeeds "classes from a file, several templates" '{"image":"photos/new.png","results":[{"class":"' \
  classify --model clip --classes classes.txt --template "a {}" --template "{}!" --json photos/new.png
printf 'a red ring\na circle\n' >texts.txt
succeeds "vectors of texts" "texts.safetensors: 2 texts" embed --model clip --texts texts.txt --out texts.safetensors

fails 2 "texts.safetensors: exists already" embed --model clip --texts texts.txt --out texts.safetensors
fails 2 "texts.safetensors: exists already" embed --model clip --images photos --out texts.safetensors
fails 2 "texts.safetensors: not an index of pictures" search --model clip --index texts.safetensors photos red
fails 2 "tokens, the model reads at most 16; --truncate cuts it" search --model clip photos "a text of many, many bytes"
succeeds "--truncate cuts" "new.png" search --model clip --truncate photos "a text of many, many bytes"
fails 2 "none: no such folder" search --model clip none red
mkdir empty
fails 2 "empty: holds no pictures" search --model clip empty red
fails 2 "template 'a photo' has no {}" classify --model clip --classes a,b --template "a photo" photos/new.png
fails 2 "as a list it has an empty name" classify --model clip --classes a,,b photos/new.png
fails 2 "cannot open x.png" classify --model clip --classes a,b --template "{}" x.png
fails 2 "--images FOLDER or --texts FILE is required" embed --model clip --out y.safetensors
succeeds "convert writes OpenAI's names" "openai.safetensors: OpenAI's names, 62 parameters, f32" \
  convert clip openai.safetensors --names authors
succeeds "and from them a Hugging Face directory" "again: CLIPModel, 62 parameters, f32" \
  convert openai.safetensors again --config clip/config.json --vocab clip/vocab.json
cmp -s clip/model.safetensors again/model.safetensors || cmp <(tail -c 4096 clip/model.safetensors) <(tail -c 4096 again/model.safetensors)
report $? "the weights are the same"
call search --model clip photos red --top "$count" && cp stdout first
succeeds "which finds the same pictures" "new.png" search --model again photos red --top "$count"
cmp -s first stdout
report $? "in the same order, with the same cosines"
fails 2 "again: exists already; --force replaces it" convert clip again
succeeds "--force replaces it" "again: CLIPModel, 62 parameters, bf16" convert clip again --force --dtype bf16
touch again/photo.jpg
fails 2 "again: is not replaced, since it holds photo.jpg" convert clip again --force
fails 2 "--partial are for ViLT" convert clip other --partial

rm clip/vocab.json
fails 2 "there is no tokenizer.json, vocab.json or bpe_simple_vocab_16e6.txt.gz beside the weights" search --model clip photos red
succeeds "pictures need no vocabulary" "other.safetensors: " embed --model clip --images photos --out other.safetensors
fails 2 "nothing was loaded" search --model "$root/tests/golden/vilt_vqa" --config clip/config.json photos red
