#!/usr/bin/env bash
# The documentation and the comments name files that exist, and the tables of the reading guide functions and types that the
# files of the same row contain.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Prints "DOCUMENT: no TARGET" for every relative link of the Markdown files $2... of the tree $1 that leads nowhere.
dead_links() {
  local tree=$1 document target
  shift
  for document in "$@"; do
    while IFS= read -r target; do
      [[ $target =~ ^(https?:|mailto:|#) ]] && continue
      [[ -e $tree/$(dirname "$document")/${target%%#*} ]] || echo "$document: no $target"
    done < <(grep -oE '\]\([^)[:space:]]+\)' "$tree/$document" | sed -E 's/^\]\((.*)\)$/\1/')
  done
}

# Prints "`tensor/x.h` ..." for every path of a source folder in backquotes that does not exist.
dead_paths() {
  local tree=$1 document path
  shift
  for document in "$@"; do
    while IFS= read -r path; do
      [[ -e $tree/$path ]] || echo "$document: no $path"
    done < <(grep -oE '`(tensor|io|distributed|autograd|nn|data|train|report|vilt|models|examples|tests|bench|docs|configs|tools)/[A-Za-z0-9_./-]*`' "$tree/$document" |
      tr -d '`')
  done
}

# Prints the names in backquotes that no file linked in the same table row (nor its .h or .cpp) contains.
lost_names() {
  local tree=$1 document=$2 row name file files
  while IFS= read -r row; do
    files=()
    while IFS= read -r file; do
      file=$tree/$(dirname "$document")/$file
      for twin in "$file" "${file%.*}.h" "${file%.*}.cpp"; do [[ -f $twin ]] && files+=("$twin"); done
    done < <(grep -oE '\]\([^)]+\)' <<<"$row" | sed -E 's/^\]\((.*)\)$/\1/')
    [[ ${#files[@]} -gt 0 ]] || continue
    while IFS= read -r name; do
      grep -qw -- "${name##*::}" "${files[@]}" || echo "$document: $name is not in ${files[0]#"$tree"/}"
    done < <(grep -oE '`[A-Za-z_:]+`' <<<"$row" | tr -d '`')
  done < <(grep '^|' "$tree/$document")
}

# Prints the paths of source files that comments (and includes) of the tree $1 name and that do not exist.
lost_sources() {
  local path
  (cd "$1" && grep -rhoE --include='*.h' --include='*.cpp' --include='*.cu' --exclude-dir='.?*' --exclude-dir='build*' \
    '\b(tensor|io|distributed|autograd|nn|data|train|report|vilt|models|tests|bench|examples)(/[A-Za-z0-9_]+)+\.(h|cpp|cu)\b' . |
    LC_ALL=C sort -u | while IFS= read -r path; do
      [[ -e $path ]] || echo "a comment: no $path"
    done)
}

report() {
  if [[ -z $2 ]]; then
    echo "ok $1"
  else
    sed 's/^/  /' <<<"$2"
    echo "not ok $1"
  fi
}

cd "$root" || exit 1
documents=()
for file in *.md docs/*.md examples/README.md bench/*/README.md tests/*/README.md; do [[ -f $file ]] && documents+=("$file"); done
report "every link of the documentation leads to a file" "$(dead_links "$root" "${documents[@]}")"
# The changelog names what was there, too.
today=()
for file in "${documents[@]}"; do [[ $file == CHANGELOG.md ]] || today+=("$file"); done
report "every path named in the documentation exists" "$(dead_paths "$root" "${today[@]}")"
report "every source file named in a comment exists" "$(lost_sources "$root")"
report "the reading guide's names are in the files beside them" "$(lost_names "$root" docs/reading_guide.md)"

# The same on a document with one mistake of each kind.
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted/docs" "$planted/tensor"
printf '// As in tensor/a.h and nn/gone.cpp.\nvoid there();\n' >"$planted/tensor/a.h"
cat >"$planted/docs/guide.md" <<'TEXT'
See [a](../tensor/a.h), [b](../tensor/b.h), `tensor/a.h` and `tensor/c.cpp`; [out](https://example.org).
| [a](../tensor/a.h) | `there` and `Somewhere::elsewhere` |
TEXT
found=$(dead_links "$planted" docs/guide.md; dead_paths "$planted" docs/guide.md; lost_names "$planted" docs/guide.md; lost_sources "$planted")
expected='docs/guide.md: no ../tensor/b.h
docs/guide.md: no tensor/c.cpp
docs/guide.md: Somewhere::elsewhere is not in docs/../tensor/a.h
a comment: no nn/gone.cpp'
if [[ $found == "$expected" ]]; then
  echo "ok planted mistakes are found"
else
  echo "$found"
  echo "not ok planted mistakes are found"
fi
