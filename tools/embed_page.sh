#!/bin/sh
# embed_page.sh FILE...: a C++ source on standard output that holds the files, for vilt/serve/page_files.h.
set -eu
mark=end_of_page_file
echo '#include "vilt/serve/page_files.h"'
echo 'namespace tessera::serve {'
echo 'namespace {'
echo 'constexpr PageFile kPageFiles[] = {'
for file in "$@"; do
  if grep -q ")$mark\"" "$file"; then echo "$file holds the mark $mark" >&2 && exit 1; fi
  printf '{"%s", R"%s(' "${file##*/}" "$mark"
  cat "$file"
  printf ')%s"},\n' "$mark"
done
echo '};'
echo '}  // namespace'
echo 'std::span<const PageFile> page_files() { return kPageFiles; }'
echo '}  // namespace tessera::serve'
