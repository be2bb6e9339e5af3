# shellcheck shell=bash
# Shared by the tests that open pages in headless Chromium. They have a folder $work of their own.

# chromium_or_skip NAME: $chromium is the program; false after a line that says that NAME is skipped.
chromium_or_skip() {
  chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) && return
  echo "skipped: $1 (chromium is not installed)"
  return 1
}

# open_page FILE: its document after the scripts ran in $work/dom, messages of the console in $work/console.
open_page() {
  HOME=$work timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
    --user-data-dir="$work/profile" --window-size=1280,2000 --allow-file-access-from-files --enable-logging=stderr \
    --dump-dom "file://$1" \
    >"$work/dom" 2>"$work/log"
  local status=$?
  grep -a ':CONSOLE' "$work/log" >"$work/console"
  return $status
}

# attribute NAME: the number that the document has there.
attribute() { grep -ao "$1=\"[0-9]*\"" "$work/dom" | head -n 1 | tr -dc 0-9; }

# phone_page FILE WIDTH: a page with that one as a phone shows it. A window has a least width, so it stands in a frame that
# hands its results on.
phone_page() {
  cat <<HTML
<!DOCTYPE html><html><body><iframe src="$1" width="$2" height="700" onload="
  Object.assign(document.documentElement.dataset, this.contentDocument.documentElement.dataset)"></iframe></body></html>
HTML
}

# check_page NAME FILE WIDTH: opens the page; nothing in the console, all charts drawn, maps drawn where there are
# any, nothing wider than that.
# A page that is narrower than a window needs phone_page beside it.
check_page() {
  local name=$1 file=$2 width=$3 page=$2 charts maps
  charts=$(grep -o '<svg class="plot"' "$file" | wc -l)
  maps=$(grep -o '<figure class="map"' "$file" | wc -l)
  if [[ $width -lt 500 ]]; then
    page=$(dirname "$file")/phone.html
    phone_page "$(basename "$file")" "$width" >"$page"
  fi
  open_page "$page" || { tail -n 5 "$work/log"; echo "not ok $name: Chromium opens the page"; return 1; }
  cat "$work/console"
  [[ ! -s $work/console ]]
  verdict $? "$name: nothing in the console, $width pixels wide"
  [[ $charts -gt 0 && $(attribute data-charts-drawn) == "$charts" ]]
  verdict $? "$name: all $charts charts are drawn, $width pixels wide"
  # Maps of the other words lie in closed <details>.
  if [[ $maps -gt 0 ]]; then
    [[ $(attribute data-maps-drawn) -gt 0 ]]
    verdict $? "$name: maps are drawn, $width pixels wide"
  fi
  [[ $(attribute data-overflow) == 0 ]]
  verdict $? "$name: nothing sticks out at the side, $width pixels wide"
}
verdict() { if [[ $1 -eq 0 ]]; then echo "ok $2"; else echo "not ok $2"; fi; }
