# shellcheck shell=bash
# ./test --fuzz, which sources this: builds the libFuzzer programs of tests/fuzz and runs them, two at a time.

# What reading one input may take; more is a finding. Freed memory that AddressSanitizer keeps counts, so it keeps little.
fuzz_limits=(-timeout=5 -rss_limit_mb=512 -malloc_limit_mb=256)
fuzz_folder=build-fuzz
fuzz_findings=$fuzz_folder/findings

# start_fuzzing NAME: in the background, on a copy of the corpus; `fuzz_process` is its id.
start_fuzzing() {
  local name=$1 dictionary=tests/fuzz/dictionaries/$1.dict arguments
  arguments=("${fuzz_limits[@]}" "-max_total_time=$fuzz_seconds" -print_final_stats=1 "-artifact_prefix=$fuzz_findings/$name-")
  [[ -f $dictionary ]] && arguments+=("-dict=$dictionary")
  # shellcheck disable=SC2154  # the caller has made it
  cp -r "tests/fuzz/corpus/$name" "$scratch/corpus-$name"
  ASAN_OPTIONS=quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1 TESSERA_THREADS=1 \
    "$fuzz_folder/tests/fuzz/fuzz_$name" "${arguments[@]}" "$scratch/corpus-$name" >"$scratch/fuzz-$name" 2>&1 </dev/null &
  fuzz_process=$!
}

# report_fuzzing NAME STATUS
report_fuzzing() {
  local name=$1 log=$scratch/fuzz-$1 inputs kept
  if [[ $2 -eq 0 ]]; then
    inputs=$(grep -a '^stat::number_of_executed_units:' "$log" | grep -ao '[0-9]*$')
    passed=$((passed + 1))
    printf 'ok      %-24s %4d passed (%s inputs in %s s)\n' "fuzz $name" 1 "${inputs:-?}" "$fuzz_seconds"
  else
    failed=$((failed + 1))
    grep -av -e '^#[0-9]' -e '^INFO: ' "$log" | head -n 60 | cut -c 1-200 | sed 's/^/    /'
    kept=$(grep -ao "$fuzz_findings/$name-[^ ]*" "$log" | tail -n 1)
    printf 'FAILED  %-24s %4d passed, %d failed\n' "fuzz $name" 0 1
    echo "    ${kept:+found: $kept; again: $fuzz_folder/tests/fuzz/fuzz_$name $kept}"
  fi
  rm -rf "$scratch/corpus-$name"
}

# run_fuzz FILTER: adds to passed and failed.
run_fuzz() {
  local names=() name jobs i process
  fuzz_seconds=${TESSERA_FUZZ_SECONDS:-60}
  jobs=$(nproc)
  [[ $jobs -le 2 ]] || jobs=2
  for name in tests/fuzz/corpus/*; do
    name=${name##*/}
    [[ $name == *"$1"* ]] && names+=("$name")
  done
  mkdir -p "$fuzz_findings"
  for ((i = 0; i < ${#names[@]}; i += jobs)); do
    local running=("${names[@]:i:jobs}") processes=()
    for name in "${running[@]}"; do
      start_fuzzing "$name"
      processes+=("$fuzz_process")
    done
    for name in "${running[@]}"; do
      process=${processes[0]}
      processes=("${processes[@]:1}")
      wait "$process"
      report_fuzzing "$name" $?
    done
  done
}
