# shellcheck shell=bash
# Shared by the tests of the command line. Each is called with the build folder and prints "ok NAME" or "not ok NAME".
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
vilt=$(realpath -- "${1:-$root/build}")/vilt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# report STATUS NAME: after a failure also what the command said.
report() {
  if [[ $1 -eq 0 ]]; then
    echo "ok $2"
  else
    sed 's/^/    /' "$work/output"
    echo "not ok $2"
  fi
}

# Runs vilt with both streams in files; output holds both.
call() {
  "$vilt" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null
  status=$?
  cat "$work/stdout" "$work/stderr" >"$work/output"
}

# succeeds NAME TEXT ARGUMENT...: status 0 and TEXT on stdout.
succeeds() {
  local name=$1 expected=$2
  shift 2
  call "$@"
  [[ $status -eq 0 ]] && grep -qF -- "$expected" "$work/stdout"
  report $? "$name"
}

# fails STATUS TEXT ARGUMENT...: that status, and a message that begins with "vilt: " and holds TEXT, on stderr alone.
fails() {
  local expected_status=$1 expected=$2
  shift 2
  call "$@"
  [[ $status -eq $expected_status ]] && grep -q '^vilt: ' "$work/stderr" && grep -qF -- "$expected" "$work/stderr" &&
    ! grep -q '^vilt: ' "$work/stdout"
  report $? "status $expected_status: $expected"
}

# A data set of 40 training scenes with its vocabulary, in data/.
make_data() {
  call scenes --kind scenes --out data --train 40 --val 8 --test 12 --test-unseen 8 && [[ $status -eq 0 ]] || exit 1
  call vocab --kind scenes --captions data/dataset.json --out data/vocab.txt && [[ $status -eq 0 ]] || exit 1
}

# The recipe `scenes` with a tiny model on that data.
tiny=("$root/configs/scenes.toml" data.captions=data/dataset.json data.images=data/images
  data.annotations=data/annotations.jsonl data.vocabulary=data/vocab.txt model.hidden_size=16 model.num_hidden_layers=2
  model.num_attention_heads=2 model.intermediate_size=32 train.batch_size=4 train.steps=30 train.evaluate_every=10
  train.checkpoint_every=10 train.evaluate_samples=8 train.log_every=5 train.threads=2)
