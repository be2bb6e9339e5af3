#!/usr/bin/env bash
# `vilt serve`, asked by curl: its answers are the command's, its refusals have their status and reason, it ends as it should;
# the command lines of docs/serve.md; fifty clients at once; and, where there are Chromium and Node.js, its page.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$root/tests/cli/chromium.sh"
build=$(dirname "$vilt")
# A child keeps serving when a test ends early otherwise.
servers=()
end_all() { [[ ${#servers[@]} -eq 0 ]] || kill "${servers[@]}" 2>/dev/null; rm -rf "$work"; }
trap end_all EXIT
cp -r "$root/tests/golden/cli/." . && chmod -R u+w .

fails 2 "--model is required (see vilt serve --help)" serve
fails 2 "--port is 70000, expected 0 to 65535" serve --model vqa --port 70000
fails 2 "--batch is 0, expected 1 to 4096" serve --model vqa --batch 0
fails 2 "--connections is 0, expected 1 to 900" serve --model vqa --connections 0
fails 2 "--folder none: No such file or directory; expected a folder of pictures" serve --model vqa --folder none
fails 2 "cannot listen on 127.0.0.1.5, port 0: there is no such address" serve --model vqa --listen 127.0.0.1.5 --port 0

command -v curl >/dev/null || {
  echo "skipped: vilt serve over HTTP (curl is not installed)"
  exit 0
}

# serve ARGUMENT...: starts a server on a free port; its number is in $server, its address in $url.
serve() {
  set -m  # otherwise the shell has its children ignore SIGINT
  "$vilt" serve --port 0 "$@" >"$work/served" 2>"$work/log" </dev/null &
  server=$!
  set +m
  servers+=("$server")
  url=
  for _ in $(seq 200); do
    url=$(grep -o 'http://[^ ]*/' "$work/served") && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.05
  done
  [[ -n $url ]]
}
# end SIGNAL: ends the server; its status is in $status.
end() {
  kill -s "$1" "$server"
  wait "$server"
  status=$?
}
# ask PATH CURL_ARGUMENT...: the answer in $work/output, its status in $code.
ask() {
  local path=$1
  shift
  code=$(curl -s -o "$work/output" -w '%{http_code}' "$@" "$url$path")
}
json() { ask "$1" -H 'Content-Type: application/json' -d "$2"; }
says() { grep -qF -- "$1" "$work/output"; }

# close ROW ROW: equal but for numbers with a fraction, which agree within 1e-4.
close() {
  local fraction='-?[0-9]+\.[0-9]+(e-?[0-9]+)?'
  [[ -n $1 && $(sed -E "s/$fraction/X/g" <<<"$1") == "$(sed -E "s/$fraction/X/g" <<<"$2")" ]] &&
    paste <(grep -oE -- "$fraction" <<<"$1") <(grep -oE -- "$fraction" <<<"$2") |
    awk '{ d = $1 - $2; if (d > 1e-4 || d < -1e-4) bad = 1 } END { exit bad || NR == 0 }'
}

for pair in answer:vqa fill:mlm rank:retrieval reason:nlvr2; do
  task=${pair%:*} model=${pair#*:}
  call "$task" --model "$model" --jsonl "$model/queries.jsonl"
  cp stdout expected
  serve --model "$model" --folder "$model" --rate 1000000 || { cat log; echo "not ok serve starts with $model"; continue; }
  json "api/$task" "$(head -n 1 "$model/queries.jsonl")"
  [[ $code == 200 ]] && close "$(cat output)" "$(head -n 1 expected)"
  report $? "serve: $task by name gives the command's row"
  if [[ -x $build/bench/serve_load ]]; then
    "$build/bench/serve_load" "$(tr -dc 0-9 <<<"${url##*:}")" "$task" "$model/queries.jsonl" --clients 50 --seconds 1 \
      --expected expected >output 2>&1
    report $? "serve: $task, fifty clients at once get the command's rows ($(cut -d: -f2- output))"
  fi
  end TERM
  [[ $status -eq 0 ]]
  report $? "serve: $task, SIGTERM ends it with status 0"
done

# The command lines of docs/serve.md, on a small model and folder.
mkdir -p photos runs && cp vqa/[0-5].png photos/ && cp photos/0.png photo.jpg && mv vqa runs/vqa
run_line() { # LINE: one of the page's, with this server's address
  local line=${1//http:\/\/127.0.0.1:8080\//$url}
  bash -c "$line" >output 2>&1
}
mapfile -t commands < <(sed -n 's/^    \(curl .*\)$/\1/p' "$root/docs/serve.md")
mapfile -t starts < <(sed -n 's/^    vilt serve \(.*\)$/\1/p' "$root/docs/serve.md")
[[ ${#commands[@]} -ge 4 && ${#starts[@]} -ge 1 ]]
report $? "docs/serve.md has command lines"
for start in "${starts[@]}"; do
  read -ra words <<<"$start"
  # Another test may have the port.
  for i in "${!words[@]}"; do [[ ${words[i]} == --port ]] && words[i + 1]=0; done
  serve "${words[@]}"
  report $? "docs/serve.md: vilt serve $start"
  end TERM
done
serve --model runs/vqa --folder photos --rate 1000000
for line in "${commands[@]}"; do
  run_line "$line" && { says '"results":[' || says '"tasks":[' || says '"pictures":['; }
  report $? "docs/serve.md: $line"
done

ask api/answer -F image=@photo.jpg -F 'text=what colour is the cat ?'
cp output form
call answer --model runs/vqa photo.jpg "what colour is the cat ?" --json
close "$(cat form)" "$(cat stdout)"
report $? "serve: a picture that comes along gives the command's row"
printf '{"image": {"base64": "%s"}, "text": "what colour is the cat ?"}' "$(base64 -w0 photo.jpg)" >body
ask api/answer -H 'Content-Type: application/json' --data-binary @body
[[ $code == 200 ]] && close "$(cat output)" "$(cat form)"
report $? "serve: so does one in base64"

refused() { # STATUS REASON
  [[ $code == "$1" ]] && says '{"error":"' && says "$2"
  report $? "serve: $1: $2"
}
echo "no picture" >bad.png
ask api/answer -F image=@bad.png -F text=x && refused 400 "bad.png: the file is text that begins 'no picture"
head -c 3000 photo.jpg >cut.png
ask api/answer -F image=@cut.png -F text=x && refused 400 "cut.png: PNG: the file is truncated"
json api/answer '{"image": "0.png", "text": "x", "colour": 1}' && refused 400 "there is no field 'colour'"
json api/answer '{"image": "0.png", "text": ["x"]}' && refused 400 "field 'text' is an array, expected a string"
json api/answer '{"image": "../runs/vqa/0.png", "text": "x"}' && refused 400 "leads out of the folder"
json api/answer '{"image": "none.png", "text": "x"}' && refused 404 "'none.png': No such file or directory"
json api/fill '{"image": "0.png", "text": "x"}' && refused 404 "no head for masked words"
ln -s ../runs/vqa/1.png photos/link.png
json api/answer '{"image": "link.png", "text": "x"}' && refused 404 "links are not followed"
ask "api/picture?name=..%2fruns%2fvqa%2f1.png" && refused 400 "leads out of the folder"
ask none && refused 404 "there is no '/none'"
ask api/answer && refused 405 "expected POST, not GET"
head -c 30000000 /dev/zero >large
ask api/answer -H 'Content-Type: application/json' --data-binary @large && refused 413 "the limit is 25165824"
ask api/abilities -H 'Host: evil.example' && refused 403 "the host 'evil.example' is not this server"
ask api/abilities -H 'Origin: http://evil.example' && refused 403 "may not ask this server"

# Many long requests are on their way when the signal comes: each is answered whole.
json api/look '{"image": "0.png", "text": "what colour is the cat ?", "shuffle": 1}'
[[ $code == 200 ]] && says '"control":{'
report $? "serve: where words look"
for i in $(seq 8); do
  curl -s --limit-rate 20k -F image=@photo.jpg -F text=x -w '%{http_code}' -o "drained$i" "${url}api/answer" >"code$i" &
  clients[i]=$!
done
sleep 0.15
end INT
wait "${clients[@]}"
answered=0
for i in $(seq 8); do
  [[ $(cat "code$i") == 200 ]] && grep -q '"results"' "drained$i" && answered=$((answered + 1))
done
cp log output
[[ $status -eq 0 && $answered -eq 8 ]]
report $? "serve: SIGINT ends it with status 0, and what was asked before is answered ($answered of 8)"
! curl -s -m 2 "${url}api/abilities" >/dev/null
report $? "serve: nothing is answered after that"
cp log output
says "POST /api/answer 200 " && says "GET /none 404 " && grep -qE '^GET /api/answer 405 [0-9.]+ ms$' log
report $? "serve: a line for each request"
serve --model runs/vqa --quiet && ask api/abilities && end TERM && cp log output && ! says "GET "
report $? "serve: --quiet"
serve --model runs/vqa --rate 1
codes=$(for _ in $(seq 12); do curl -s -o /dev/null -w '%{http_code} ' "${url}api/abilities"; done)
[[ $codes == "200 200 200 200 200 200 200 200 200 200 429 429 " ]]
report $? "serve: --rate: $codes"
end TERM

chromium_or_skip "the page of vilt serve in Chromium" || exit 0
node=$(command -v node) || {
  echo "skipped: the page of vilt serve in Chromium (Node.js is not installed)"
  exit 0
}
make_data
call train "${tiny[@]}" train.out=runs/scenes train.steps=4
picture=$PWD/$(find data/images/test -name '*.jpg' | sort | head -n 1)
page() { # MODEL TEXT
  serve --model "$1" --folder data/images/test
  HOME=$work timeout 170 "$node" "$root/tests/cli/serve_page.mjs" "$chromium" "$url" "$work/profile" \
    "${TESSERA_SCREENSHOTS:-$work/screenshots}/${1##*/}" "${3:-$picture}" "$PWD/bad.png" "$2"
  end TERM
}
page runs/scenes "a red [MASK]"
page runs/vqa "what colour is the cat?" "$PWD/photos/1.png"
page nlvr2 "both are red" "$PWD/photos/1.png"
