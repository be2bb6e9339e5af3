#!/usr/bin/env bash
# What the command says about itself.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

commands=(scenes vocab data train report eval answer fill match rank reason align embed search classify serve convert info gradcheck)
for command in "${commands[@]}"; do
  [[ $command == data ]] && continue  # data_test.sh has its commands
  call "$command" --help
  # The last paragraph is an example of this very command.
  [[ $status -eq 0 && ! -s stderr ]] && sed -n '/^Example:$/,$p' stdout | grep -q "^  vilt $command " &&
    [[ -z $(sed -n '/^Example:$/,$p' stdout | sed 1d | grep -v '^  ' | grep .) ]]
  report $? "vilt $command --help ends with an example"
done

call
missing=''
for command in "${commands[@]}"; do grep -q "^  $command  " stdout || missing+=" $command"; done
[[ $status -eq 0 && -z $missing ]]
report $? "vilt alone lists every command"
listed=$(sed -n '/^Subcommands:$/,/^$/p' stdout | grep -c '^  ')
[[ $listed -eq ${#commands[@]} ]]
report $? "and no command is untested here"

succeeds "version" "vilt (tessera) " --version
for recipe in "$root"/configs/*.toml; do
  grep -q '^\[system\]' "$recipe" && continue  # not ViLT: tests of the system read it
  succeeds "recipe $(basename "$recipe") is read" "transformer blocks" info "$recipe"
done
