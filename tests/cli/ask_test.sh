#!/usr/bin/env bash
# Asking published checkpoints: the reference directories of tests/golden/cli, one query and many.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cp -r "$root/tests/golden/cli/." . && chmod -R u+w .
query() { sed -n "${1}p" "$2/queries.jsonl"; }   # LINE FOLDER
field() { grep -o "\"$1\": \"[^\"]*\"" | head -n 1 | sed "s/^\"$1\": \"//; s/\"$//"; }

# close ROWS ROWS: equal but for numbers with a fraction, which agree within 1e-5: f32, products of other shapes.
close() {
  local fraction='-?[0-9]+\.[0-9]+(e-?[0-9]+)?'
  [[ -n $1 && $(sed -E "s/$fraction/X/g" <<<"$1") == "$(sed -E "s/$fraction/X/g" <<<"$2")" ]] &&
    paste <(grep -oE -- "$fraction" <<<"$1") <(grep -oE -- "$fraction" <<<"$2") |
    awk '{ d = $1 - $2; if (d > 1e-5 || d < -1e-5) bad = 1 } END { exit bad || NR == 0 }'
}
{ close '{"a":1.5,"b":2.25}' '{"a":1.500001,"b":2.25}' && ! close '{"a":1.5}' '{"a":1.5001}' && ! close '{"a":1.5}' '{"b":1.5}'; }
report $? "rows can be told apart"

# One query gives the row that the same query has in a file.
same_row() { # NAME COMMAND FOLDER ARGUMENT...
  local name=$1 command=$2 folder=$3
  shift 3
  call "$command" --model "$folder" --jsonl "$folder/queries.jsonl"
  local many
  many=$(head -n 1 stdout)
  [[ $status -eq 0 && ! -s stderr && $(wc -l <stdout) -eq $(wc -l <"$folder/queries.jsonl") ]]
  report $? "$name: one row for each query, and silence on standard error"
  call "$command" --model "$folder" "$@" --json
  [[ $status -eq 0 ]] && close "$(cat stdout)" "$many"
  report $? "$name: one query gives the same row"
  call "$command" --model "$folder" --jsonl "$folder/queries.jsonl" --batch 1
  close "$(head -n 1 stdout)" "$many"
  report $? "$name: so does a batch of one"
}
same_row answer answer vqa "vqa/$(query 1 vqa | field image)" "$(query 1 vqa | field text)"
same_row fill fill mlm "mlm/$(query 1 mlm | field image)" "$(query 1 mlm | field text)"
mapfile -t captions < <(query 1 retrieval | grep -o '"texts": \[.*\]' | sed 's/^"texts": \["//; s/"\]$//; s/", "/\n/g')
same_row rank rank retrieval "retrieval/$(query 1 retrieval | field image)" "${captions[@]}"
mapfile -t pair < <(query 1 nlvr2 | grep -o '"images": \[[^]]*\]' | grep -o '[0-9]*\.png')
same_row reason reason nlvr2 "nlvr2/${pair[0]}" "nlvr2/${pair[1]}" "$(query 1 nlvr2 | field text)"

# A directory of transformers 5, which has tokenizer.json and no vocab.txt, gives the same rows.
cp -r vqa saved && rm saved/vocab.txt && cp "$root/tests/fuzz/corpus/tokenizer/transformers" saved/tokenizer.json
cp "$root/tests/fuzz/corpus/tokenizer/settings" saved/tokenizer_config.json
call answer --model vqa --jsonl vqa/queries.jsonl
cp stdout of-vocabulary
call answer --model saved --jsonl vqa/queries.jsonl
[[ $status -eq 0 && ! -s stderr && -s stdout ]] && cmp -s stdout of-vocabulary
report $? "tokenizer.json in place of vocab.txt"
sed -i 's/"WordPiece"/"BPE"/' saved/tokenizer.json
fails 2 "saved/tokenizer.json: model is 'BPE', expected 'WordPiece'" answer --model saved vqa/3.png "a cat"
rm saved/tokenizer.json
fails 2 "saved: there is no vocab.txt and no tokenizer.json; give one with --vocab" answer --model saved vqa/3.png "a cat"

# For people.
call answer --model vqa vqa/3.png "what colour is the cat ?"
[[ $status -eq 0 && $(wc -l <stdout) -eq 5 && $(grep -cE '^[01]\.[0-9]{3}  [^ ]' stdout) -eq 5 ]]
report $? "answer prints five probabilities with their labels"
call answer --model vqa vqa/3.png "what colour is the cat ?" --top 2
[[ $(wc -l <stdout) -eq 2 ]]
report $? "answer --top"
call answer --model vqa vqa/3.png "" --json
grep -q '^{"id":0,"results":\[{"label":"' stdout
report $? "an empty question has an answer"
call reason --model nlvr2 nlvr2/0.png nlvr2/0.png "both images are red"
[[ $(grep -cE '^0\.[0-9]{3}  (True|False)$' stdout) -eq 2 ]]
report $? "reason on the same picture twice"
call fill --model mlm mlm/3.png "a [MASK] cat [MASK]" --top 2
[[ $(grep -cE '^\[MASK\] [12]:(  [^ ]+ 0\.[0-9]{3}){2}$' stdout) -eq 2 && $(wc -l <stdout) -eq 3 ]]
report $? "fill prints its words and the filled text"
succeeds "rank" "  a cat" rank --model retrieval retrieval/0.png "a cat" "a dog"
succeeds "rank: --top 1 of a million captions would do" "." rank --model retrieval retrieval/0.png "a cat" "a dog" --top 1
[[ $(wc -l <stdout) -eq 1 ]]
report $? "rank --top"

# One caption, many pictures.
call rank --model retrieval --text "a red ball" retrieval/{0,1,2,3,4,5}.png --json
ranked=$(cat stdout)
[[ $status -eq 0 && $(grep -o '"image":"retrieval/[0-5].png","index":[0-5],"score":' stdout | sort -u | wc -l) -eq 6 ]]
report $? "rank --text orders pictures"
echo '{"id": 0, "images": ["0.png","1.png","2.png","3.png","4.png","5.png"], "text": "a red ball"}' >retrieval/reverse.jsonl
call rank --model retrieval --jsonl retrieval/reverse.jsonl --batch 4
[[ $status -eq 0 ]] && close "$(cat stdout)" "${ranked//retrieval\//}"
report $? "rank --jsonl with images and a text, in several batches"
call rank --model retrieval retrieval/2.png "a red ball" --json
close "$(grep -o '"score":[-.e0-9]*' stdout)" "$(grep -o '2.png","index":2,"score":[-.e0-9]*' <<<"$ranked" | grep -o '"score.*')"
report $? "a pair has one score whichever way it is asked"

# ids, and files that are odd but good.
{
  echo '{"id": "a\"b", "image": "0.png", "text": "cat", "answer": "ignored"}'
  printf '\n   \r\n'
  echo '{"image": "1.png", "text": "cat"}'
  echo '{"id": null, "image": "1.png", "text": "cat"}'
  echo '{"id": true, "image": "1.png", "text": "cat"}'
  printf '{"id": -2.5, "image": "%s", "text": "cat"}' "$PWD/vqa/1.png"
} >vqa/odd.jsonl
call answer --model vqa --jsonl vqa/odd.jsonl --top 1
[[ $status -eq 0 && $(sed 's/,"results.*//' stdout | tr '\n' ' ') == '{"id":"a\"b" {"id":3 {"id":null {"id":true {"id":-2.5 ' ]]
report $? "ids are passed through; without one a query has its line's number; blank lines and a missing last newline are no matter"
: >vqa/empty.jsonl
call answer --model vqa --jsonl vqa/empty.jsonl
[[ $status -eq 0 && ! -s output ]]
report $? "no queries, no answers"
status=0
"$vilt" answer --model vqa --jsonl /dev/stdin <<<"{\"image\": \"$PWD/vqa/0.png\", \"text\": \"cat\"}" >stdout 2>stderr || status=$?
cat stdout stderr >output
[[ $status -eq 0 && ! -s stderr ]] && grep -q '^{"id":0,"results"' stdout
report $? "queries from a pipe"

# Pictures of queries that do not come from a file in a folder are relative to the working directory.
mkdir -p elsewhere
echo '{"image": "0.png", "text": "cat"}' >vqa/one.jsonl
echo '{"image": "vqa/0.png", "text": "cat"}' >elsewhere/one.jsonl
call answer --model vqa --jsonl vqa/one.jsonl
cp stdout expected
mkfifo elsewhere/queue
# from FILE NAME: what is asked through the file, which the shell has opened as standard input.
from() {
  "$vilt" answer --model vqa --jsonl "$1" <"$2" >stdout 2>stderr
  status=$?
  cat stdout stderr >output
  [[ $status -eq 0 ]] && cmp -s stdout expected
  report $? "--jsonl $1 from $3"
}
for name in - /dev/stdin /dev/fd/0 /proc/self/fd/0; do
  from "$name" elsewhere/one.jsonl "a file"
  from "$name" <(cat elsewhere/one.jsonl) "a pipe"
done
cat elsewhere/one.jsonl >elsewhere/queue &
from elsewhere/queue /dev/null "a named pipe"
"$vilt" answer --model vqa --jsonl - <&- >stdout 2>output
[[ $? -eq 2 ]] && grep -qF "vilt: cannot read standard input: Bad file descriptor" output
report $? "standard input that is closed is no empty file"
"$vilt" answer --model vqa --jsonl - <elsewhere >stdout 2>output
[[ $? -eq 2 ]] && grep -qF "vilt: cannot read standard input: Is a directory" output
report $? "nor is a folder"
echo '{' | "$vilt" answer --model vqa --jsonl - >stdout 2>output
[[ $? -eq 2 ]] && grep -qF "vilt: standard input, line 1: " output
report $? "a bad line of standard input is named"

# Whatever a text begins with, it can be asked.
for question in "-how many" "-x many" "--help" "--bogus" "-h" "--" "- a red barn" "-5" "[a] b [c]" "++" "info" "=x" "%x" "@x" "{}" "-"; do
  printf '{"image": "vqa/0.png", "text": "%s"}' "$question" | "$vilt" answer --model vqa --jsonl - >expected 2>stderr
  call answer --model vqa --json -- vqa/0.png "$question"
  [[ $status -eq 0 && -s expected ]] && cmp -s stdout expected
  report $? "after --: $question"
done
cp vqa/0.png -- -0.png
for command in "answer --model vqa" "fill --model mlm" "rank --model retrieval"; do
  # shellcheck disable=SC2086
  call $command -- -0.png "-a [MASK]"
  [[ $status -eq 0 ]]
  report $? "$command -- -0.png"
done
call rank --model retrieval --text "-a [b] [c]" -- -0.png --json
[[ $status -eq 2 ]] && grep -qF "cannot open --json" stderr
report $? "an option after -- is the name of a picture"
call rank --model retrieval --text "[a] b [c]" -- -0.png
[[ $status -eq 0 ]]
report $? "values of options are as they were typed"
for question in "-how many" "-x many" "--two words" "-x"; do
  fails 2 "if '$question' is a text or the name of a file, put -- before all of them: vilt COMMAND OPTIONS -- FILE TEXT" \
    answer --model vqa vqa/0.png "$question"
done
call answer --model vqa -h
[[ $status -eq 0 ]] && grep -q "^Usage: vilt answer" stdout
report $? "-h is help all the same"
fails 2 "-x: no such directory" report -- -x
fails 2 "cannot open -x.toml: No such file or directory" train -- -x.toml
fails 2 "-x: no such file or directory; expected a model's folder" info -- -x

# Progress is for terminals.
if [[ -x $(command -v script) ]]; then
  script -qec "'$vilt' answer --model vqa --jsonl vqa/queries.jsonl --batch 4 >answers" terminal >/dev/null </dev/null
  cp terminal output
  [[ $(wc -l <answers) -eq $(wc -l <vqa/queries.jsonl) ]] && grep -qE '[0-9]+ queries, [0-9.]+ a second, [0-9]+ s left' terminal
  report $? "progress on a terminal"
else
  echo "skipped: progress on a terminal (there is no command script)"
fi

# Bad queries.
{
  query 1 vqa
  echo '{"id": "gone", "image": "gone.png", "text": "cat"}'
  query 2 vqa
  echo '{"id": "none", "image": "0.png"}'
  echo '{"id": [1], "image": "0.png", "text": "cat"}'
  echo 'no json'
  echo '{"id": 9, "id": 10, "image": "0.png", "text": "cat"}'
  query 3 vqa
} >vqa/bad.jsonl
fails 2 "vqa/bad.jsonl, line 2: cannot open vqa/gone.png: No such file or directory" answer --model vqa --jsonl vqa/bad.jsonl
[[ $(wc -l <stdout) -eq 1 ]] && grep -q '^{"id":0,"results":' stdout
report $? "the queries before it are answered, no other"
call answer --model vqa --jsonl vqa/bad.jsonl --keep-going
[[ $status -eq 1 && $(wc -l <stdout) -eq 8 && $(grep -c '"results"' stdout) -eq 3 ]] &&
  grep -qF 'vilt: 5 of 8 queries could not be answered' stderr &&
  grep -qF '{"id":"gone","error":"vqa/bad.jsonl, line 2: cannot open vqa/gone.png: No such file or directory"}' stdout &&
  grep -qF "{\"id\":\"none\",\"error\":\"vqa/bad.jsonl, line 4: field 'text' is missing\"}" stdout &&
  grep -qF "line 5: field 'id' is an array, expected a number or a string" stdout &&
  grep -qF '{"id":5,"error":"vqa/bad.jsonl, line 6: not valid JSON' stdout && grep -qF "line 7: duplicate key 'id'" stdout
report $? "--keep-going answers the others and ends with status 1"
call answer --model vqa --jsonl vqa/bad.jsonl --keep-going --batch 1
[[ $status -eq 1 && $(grep -c '"results"' stdout) -eq 3 && $(wc -l <stdout) -eq 8 ]]
report $? "in batches of one, too"
line() { echo "$2" >"$1/line.jsonl"; }   # FOLDER LINE
line retrieval '{"image": "0.png", "texts": []}'
fails 2 "retrieval/line.jsonl, line 1: field 'texts' is empty" rank --model retrieval --jsonl retrieval/line.jsonl
line retrieval '{"image": "0.png", "texts": ["a", 3]}'
fails 2 "line 1: entry 1 of 'texts' is a number, expected a string" rank --model retrieval --jsonl retrieval/line.jsonl
line retrieval '{"image": "0.png", "images": ["0.png"], "text": "a"}'
fails 2 "line 1: expected either 'image' and 'texts', or 'images' and 'text'" rank --model retrieval --jsonl retrieval/line.jsonl
line nlvr2 '{"images": ["0.png"], "text": "a"}'
fails 2 "line 1: 1 image, and this checkpoint's classifier looks at 2" reason --model nlvr2 --jsonl nlvr2/line.jsonl
line nlvr2 '{"image": "0.png", "text": "a"}'
fails 2 "line 1: field 'images' is missing" reason --model nlvr2 --jsonl nlvr2/line.jsonl
line vqa '{"image": "", "text": "a cat"}'
fails 2 "line 1: the name of a picture is empty, expected that of a JPEG, PNG, WebP or GIF file" answer --model vqa --jsonl vqa/line.jsonl
line vqa '{"image": "0.png\u0000", "text": "a cat"}'
fails 2 "line 1: the name of a picture holds a zero byte" answer --model vqa --jsonl vqa/line.jsonl
line mlm '{"image": "0.png", "text": "a cat"}'
fails 2 "mlm/line.jsonl, line 1: the text 'a cat' has no [MASK]" fill --model mlm --jsonl mlm/line.jsonl
fails 2 "cannot open none.jsonl: No such file or directory" answer --model vqa --jsonl none.jsonl
fails 2 "cannot read vqa: it is a directory; expected a file of JSON lines" answer --model vqa --jsonl vqa

# Texts that are too long.
long=$(printf 'cat %.0s' {1..39})
fails 2 "has 39 tokens, and this model takes at most 38; shorten it, or let --truncate cut it" answer --model vqa vqa/0.png "$long"
call answer --model vqa vqa/0.png "$long dog" --truncate --json
cut=$(cat stdout)
[[ $status -eq 0 ]] && grep -qF "note: the last 2 tokens of" stderr
report $? "--truncate says what it left out"
call answer --model vqa vqa/0.png "$(printf 'cat %.0s' {1..38})" --json
[[ $(cat stdout) == "$cut" ]]
report $? "and answers for what is left"
line vqa "{\"image\": \"0.png\", \"text\": \"$long\"}"
fails 2 "line 1: the text" answer --model vqa --jsonl vqa/line.jsonl
call answer --model vqa --jsonl vqa/line.jsonl --truncate
[[ $status -eq 0 ]] && grep -qF "note: 1 text was cut to 40 tokens" stderr
report $? "--jsonl with --truncate counts them"
fails 2 "has no [MASK] in the part that fits" fill --model mlm mlm/0.png "$long [MASK]" --truncate

# "[MASK]" is a token for fill alone.
call answer --model vqa vqa/0.png "a [MASK]"
grep -qF "note: '[' cannot be written with this model's vocabulary" stderr
report $? "elsewhere [MASK] is text"

# EXIF: the same picture on its side, and the tag that says so (orientation 6: turn clockwise).
base64 -d >turned.png <<<iVBORw0KGgoAAAANSUhEUgAAACAAAAAQCAIAAAD4YuoOAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABgAAAAAAANZnS2kAAAAjSURBVHjaY/jPwIAV4RAmHY1aMGrBkLYgijpo1IJRCwa/BQAAvIJQBTQsWwAAAABJRU5ErkJggg==
call rank --model retrieval turned.png "a cat" --json
plain=$(cat stdout)
call rank --model retrieval turned.png "a cat" --json --respect-orientation
[[ $status -eq 0 && $(cat stdout) != "$plain" ]]
report $? "--respect-orientation turns the picture"

# Checkpoints that lack the head.
fails 2 "vqa: no matching head; this checkpoint has a classifier over one image (vilt answer)" match --model vqa vqa/0.png cat
fails 2 "nlvr2: no classifier over one image; this checkpoint has a classifier over 2 images (vilt reason)" \
  answer --model nlvr2 vqa/0.png cat
fails 2 "vqa: no classifier over several images; this checkpoint has a classifier over one image (vilt answer)" \
  reason --model vqa vqa/0.png vqa/1.png cat
fails 2 "retrieval: no head for masked words; this checkpoint has a rank head (vilt rank)" fill --model retrieval vqa/0.png "[MASK]"
fails 2 "mlm: no rank head and no matching head; this checkpoint has a head for masked words (vilt fill)" \
  rank --model mlm vqa/0.png cat

# The line itself.
fails 2 "--model is required (see vilt answer --help)" answer vqa/0.png cat
fails 2 "IMAGE is required, or --jsonl FILE (see vilt answer --help)" answer --model vqa
fails 2 "QUESTION is required (see vilt answer --help)" answer --model vqa vqa/0.png
fails 2 "'dog' is one too many; put the text in quotes" answer --model vqa vqa/0.png cat dog
fails 2 "TEXT is required (see vilt fill --help)" fill --model mlm mlm/0.png
fails 2 "CAPTION is required (see vilt rank --help)" rank --model retrieval vqa/0.png
fails 2 "IMAGE is required (see vilt rank --help)" rank --model retrieval --text cat
fails 2 "two IMAGEs and a STATEMENT are required, only 2 given (see vilt reason --help)" reason --model nlvr2 nlvr2/0.png cat
fails 2 "3 images, and this checkpoint's classifier looks at 2" reason --model nlvr2 nlvr2/{0,1,2}.png cat
fails 2 "--jsonl brings the queries; 'vqa/0.png' is one too many" answer --model vqa vqa/0.png --jsonl vqa/queries.jsonl
fails 2 "--jsonl excludes --text" rank --model retrieval --text cat --jsonl retrieval/queries.jsonl
fails 2 "--keep-going needs --jsonl" answer --model vqa vqa/0.png cat --keep-going
fails 2 "--batch is 0, expected 1 to 4096" answer --model vqa --jsonl vqa/queries.jsonl --batch 0
fails 2 "--top is 0, expected at least 1" answer --model vqa vqa/0.png cat --top 0
fails 2 "cannot open none.png: No such file or directory" answer --model vqa none.png cat
status=0
"$vilt" answer --model vqa --jsonl vqa/queries.jsonl >/dev/full 2>stderr || status=$?
cp stderr output
[[ $status -eq 1 ]] && grep -q '^vilt: the output could not be written to standard output: No space left on device$' stderr
report $? "a full disk is told"

# Without names of its own a classifier prints LABEL_0 ….
cp -r vqa nameless && sed -i 's/: "yes"/: "LABEL_0"/' nameless/config.json
succeeds "labels print as config.json has them" "LABEL_0" answer --model nameless vqa/0.png cat --top 12

# The last four bytes of the weights become a NaN.
cp -r vqa damaged && chmod -R u+w damaged
printf '\377\377\377\377' | dd of=damaged/model.safetensors bs=1 seek=$(($(stat -c %s damaged/model.safetensors) - 4)) conv=notrunc 2>/dev/null
fails 2 "queries.jsonl, line 1: classifier: the model's output is not finite; are the weights damaged?" \
  answer --model damaged --jsonl vqa/queries.jsonl
call answer --model damaged --jsonl vqa/queries.jsonl --keep-going
[[ $status -eq 1 && $(grep -c '"error":' stdout) -eq $(wc -l <vqa/queries.jsonl) ]]
report $? "--keep-going tells so of every query"

for name in lossy_alpha.webp animated.webp transparent_offset.gif; do
  picture=$root/tests/data/images/web_forms/$name
  call answer --model vqa "$picture" "how many ?"
  cp stdout answer
  call answer --model vqa "$picture.rgb.png" "how many ?"
  [[ -s answer ]] && cmp -s answer stdout
  report $? "$name is answered about as its pixels are"
done
