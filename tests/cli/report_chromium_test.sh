#!/usr/bin/env bash
# Opens the report of a tiny run, and a page that compares twelve, in headless Chromium: no message in the console, every
# chart drawn, nothing wider than the window. The same test must fail on a page with a planted error.
set -uo pipefail
build=$1

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "skipped: report in Chromium (chromium is not installed)"
  exit 0
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

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
attribute() { grep -ao "$1=\"[0-9]*\"" "$work/dom" | head -n 1 | tr -dc 0-9; }
verdict() { if [[ $1 -eq 0 ]]; then echo "ok $2"; else echo "not ok $2"; fi; }

"$build/tests/report_page" "$work/report.html" "$work/comparison.html" || { echo "not ok report: the pages are written"; exit 1; }

for page in report comparison; do
  expected_charts=$(grep -o '<svg class="plot"' "$work/$page.html" | wc -l)
  expected_maps=$(grep -o '<figure class="map"' "$work/$page.html" | wc -l)
  # A window has a least width, so the page that a phone would show stands in a frame that hands its results on.
  cat >"$work/phone.html" <<HTML
<!DOCTYPE html><html><body><iframe src="$page.html" width="360" height="700" onload="
  Object.assign(document.documentElement.dataset, this.contentDocument.documentElement.dataset)"></iframe></body></html>
HTML
  for width in 1280 360; do
    [[ $width == 1280 ]] && file=$page || file=phone
    open_page "$work/$file.html" || { tail -n 5 "$work/log"; echo "not ok $page: Chromium opens the page"; exit 1; }
    cat "$work/console"
    [[ ! -s $work/console ]]
    verdict $? "$page: nothing in the console, $width pixels wide"
    [[ $expected_charts -gt 0 && $(attribute data-charts-drawn) == "$expected_charts" ]]
    verdict $? "$page: all $expected_charts charts are drawn, $width pixels wide"
    # Maps of the other words lie in closed <details>.
    if [[ $page == report ]]; then
      [[ $expected_maps -gt 0 && $(attribute data-maps-drawn) -gt 0 ]]
      verdict $? "$page: maps are drawn, $width pixels wide"
    fi
    [[ $(attribute data-overflow) == 0 ]]
    verdict $? "$page: nothing sticks out at the side, $width pixels wide"
  done
done

# The pointer at the left end of the first chart: its legend gives an early value in place of the last.
cat >"$work/probe.html" <<'HTML'
<script>
const chart = document.querySelector('svg.plot'), label = chart.closest('figure').querySelector('.entry b');
const box = chart.getBoundingClientRect(), before = label.textContent;
const send = type => chart.dispatchEvent(new PointerEvent(type, { clientX: box.left + 0.13 * box.width }));
send('pointermove');
const first = chart.querySelector('.series').dataset.points.split(' ')[0].split(',')[1];
const followed = Number(label.textContent) === Number(first) && label.textContent !== before;
send('pointerleave');
document.documentElement.dataset.pointer = Number(followed && label.textContent === before);
</script>
HTML
sed "/<\/body>/{
r $work/probe.html
d
}" "$work/report.html" >"$work/pointer.html"
open_page "$work/pointer.html"
[[ $(attribute data-pointer) == 1 ]]
verdict $? "report: legends follow the pointer"

# Where the shorter of two lines has ended its legend gives no value.
cat >"$work/probe.html" <<'HTML'
<script>
const chart = document.querySelector('svg.plot'), labels = [...chart.closest('figure').querySelectorAll('.entry b')];
const box = chart.getBoundingClientRect(), shortest = labels[0].textContent;
const send = (type, share) =>
  chart.dispatchEvent(new PointerEvent(type, { clientX: box.left + share * box.width, bubbles: true }));
send('pointermove', 0.96);
const ended = labels[0].textContent === '\u2013' && labels.at(-1).textContent !== '\u2013';
send('pointermove', 0.3);
const there = Number(labels[0].textContent) > 0;
send('pointerleave', 0.3);
document.documentElement.dataset.ended = Number(ended && there && labels[0].textContent === shortest);
</script>
HTML
sed "/<\/body>/{
r $work/probe.html
d
}" "$work/comparison.html" >"$work/ended.html"
open_page "$work/ended.html"
[[ $(attribute data-ended) == 1 ]]
verdict $? "comparison: a line that has ended gives no value of later steps"

sed 's/<script>/<script>planted_error();/' "$work/report.html" >"$work/planted.html"
open_page "$work/planted.html"
[[ -s $work/console && -z $(attribute data-charts-drawn) ]]
verdict $? "report: a planted error is found"
