#!/usr/bin/env bash
# Opens the report of a tiny run, and a page that compares twelve, in headless Chromium: no message in the console, every
# chart drawn, nothing wider than the window. The same test must fail on a page with a planted error.
set -uo pipefail
build=$1

source "$(dirname "${BASH_SOURCE[0]}")/chromium.sh"

chromium_or_skip "report in Chromium" || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$build/tests/report_page" "$work/report.html" "$work/comparison.html" || { echo "not ok report: the pages are written"; exit 1; }
for page in report comparison; do
  for width in 1280 360; do
    check_page "$page" "$work/$page.html" "$width" || exit 1
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
