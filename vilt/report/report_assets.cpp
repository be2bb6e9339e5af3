// Style and script of the report.
#include "vilt/report/report_parts.h"

namespace tessera {

const char* const kReportStyle = R"css(
:root { color-scheme: light dark;
  --ground: #fbfaf7; --card: #ffffff; --ink: #1d1f24; --muted: #62666f; --line: #dedbd3; --accent: #3a4fb0;
  --right: #19733c; --wrong: #b3261e; --bar: #dfe5fb;
  --c0: #85888f; --c1: #2f5fd0; --c2: #d2521c; --c3: #11806a; --c4: #9b3fa8; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #15171b; --card: #1e2127; --ink: #e8e8e6; --muted: #a0a4ad; --line: #363a43; --accent: #9db0ff;
  --right: #6fd08f; --wrong: #ff8a80; --bar: #303a5e;
  --c0: #8d9199; --c1: #7fa4ff; --c2: #ff9a62; --c3: #4fcfb2; --c4: #dd8fe8; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 1120px; margin: 0 auto; padding: 0 18px; }
header { padding-top: 34px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.01em; }
h2 { font-size: 1.3rem; margin: 46px 0 10px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 4px; }
p { margin: 0 0 10px; max-width: 76ch; }
a { color: var(--accent); }
small, .note { color: var(--muted); font-size: 0.84rem; }
.lead { font-size: 1.02rem; color: var(--muted); }
nav { display: flex; flex-wrap: wrap; gap: 6px 18px; margin-top: 14px; font-size: 0.93rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; overflow-x: auto;
  font: 0.84rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; margin: 8px 0; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 16px 0; }
.facts dt { color: var(--muted); font-size: 0.78rem; }
.facts dd { margin: 0; font-weight: 600; font-size: 0.95rem; }
.tiles { list-style: none; margin: 26px 0 0; padding: 0; display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fit, minmax(min(235px, 46%), 1fr)); }
.tiles li, .chart, .example, .pair { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tiles li { padding: 12px 14px; display: flex; flex-direction: column; }
.tiles .name { font-size: 0.88rem; }
.tiles .value { margin-top: auto; font-size: 1.75rem; font-weight: 650; line-height: 1.25; }
.tiles .controls { font-size: 0.8rem; color: var(--muted); }

.charts { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(310px, 100%), 1fr)); }
.chart { margin: 0; padding: 12px 12px 6px; display: flex; flex-direction: column; justify-content: space-between;
  min-width: 0; }
.chart h3 span { float: right; font-weight: 400; font-size: 0.8rem; color: var(--muted);
  font-variant-numeric: tabular-nums; }
.chart .note { margin: 0 0 4px; line-height: 1.35; }
.legend { list-style: none; padding: 0; margin: 4px 0 6px; display: flex; flex-wrap: wrap; gap: 1px 14px;
  font-size: 0.8rem; }
.legend b { font-variant-numeric: tabular-nums; }
.key { width: 18px; height: 8px; margin-right: 4px; fill: none; stroke: currentColor; stroke-width: 2.4; }
.c0 .key { color: var(--c0); } .c1 .key { color: var(--c1); } .c2 .key { color: var(--c2); }
.c3 .key { color: var(--c3); } .c4 .key { color: var(--c4); }
.plot { width: 100%; height: auto; display: block; touch-action: pan-y; cursor: crosshair; }
.plot path { fill: none; }
.plot .grid path { stroke: var(--line); stroke-width: 1; }
.plot .grid .axis { stroke: var(--c0); }
.plot .ticks text { fill: var(--muted); font-size: 11.5px; font-variant-numeric: tabular-nums; }
.plot .reference { stroke: var(--c0); stroke-width: 1.3; stroke-dasharray: 2 3; }
.plot .line { stroke-width: 2; stroke-linejoin: round; }
.plot .raw { stroke-width: 1; opacity: 0.3; }
.plot .cursor { stroke: var(--ink); stroke-width: 1; opacity: 0.45; visibility: hidden; }
.plot .c0 path { stroke: var(--c0); } .plot .c1 path { stroke: var(--c1); } .plot .c2 path { stroke: var(--c2); }
.plot .c3 path { stroke: var(--c3); } .plot .c4 path { stroke: var(--c4); }
.plot .c0 circle { fill: var(--c0); } .plot .c1 circle { fill: var(--c1); } .plot .c2 circle { fill: var(--c2); }
.plot.bars { cursor: auto; }
.plot.bars .c1 rect { fill: var(--c1); } .plot.bars .c2 rect { fill: var(--c2); }
.plot.bars .c3 rect { fill: var(--c3); } .plot.bars .c4 rect { fill: var(--c4); }
.plot.bars .axis { stroke: var(--c0); }
.plot .c3 circle { fill: var(--c3); } .plot .c4 circle { fill: var(--c4); }
.plot .tag { font-size: 10.5px; font-weight: 700; paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
.plot .tag.c1 { fill: var(--c1); } .plot .tag.c2 { fill: var(--c2); } .plot .tag.c3 { fill: var(--c3); }
.plot .tag.c4 { fill: var(--c4); }

table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; vertical-align: top; }
thead th { font-size: 0.8rem; color: var(--muted); font-weight: 600; vertical-align: bottom; white-space: nowrap; }
th:first-child { text-align: left; font-weight: 600; padding-left: 0; }
th small { display: block; font-weight: 400; line-height: 1.3; }
td { white-space: nowrap; }
td.result { font-weight: 700; }
td.chance, tr.counts { color: var(--muted); }
tr.chosen th, tr.chosen td { font-weight: 700; }
.side-by-side > div { min-width: 0; overflow-x: auto; }
.side-by-side table { font-size: 0.82rem; }
.side-by-side th, .side-by-side td { padding-left: 3px; padding-right: 3px; }
.side-by-side thead th { white-space: normal; font-size: 0.7rem; }
.side-by-side { display: grid; gap: 26px 34px; margin-top: 26px;
  grid-template-columns: repeat(auto-fit, minmax(min(330px, 100%), 1fr)); }
.findings { display: grid; gap: 10px 34px; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); }
.findings ul { margin: 0; padding-left: 18px; }
.findings li { margin-bottom: 9px; }

.remarks { margin: 18px 0 0; padding: 10px 14px 10px 30px; background: var(--card); border: 1px solid var(--line);
  border-left: 4px solid var(--wrong); border-radius: 8px; }
.remarks li { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table.compared thead th { white-space: normal; overflow-wrap: break-word; min-width: 5.4em; max-width: 14em; }
table.compared th:first-child { position: sticky; left: 0; background: var(--ground); }
table.wrapped tbody th { white-space: nowrap; }
table.wrapped td { white-space: normal; overflow-wrap: anywhere; min-width: 7.5em; }
table.compared td.best { font-weight: 700; }
table.compared .mark { color: var(--right); margin-right: 3px; }
table.compared + h3, .charts + h3, .scroll + h3, .note + h3, details + h3 { margin-top: 24px; }

.symbols { position: absolute; width: 0; height: 0; }
.picture { display: block; width: 100%; border-radius: 6px; }
.right, .right i { color: var(--right); } .wrong, .wrong i { color: var(--wrong); }
i.right, i.wrong, .asked i, small i { font-style: normal; font-weight: 700; }
.caption { font-size: 1.02rem; font-weight: 600; margin-bottom: 8px; overflow-wrap: anywhere; }
mark { background: none; color: inherit; border-bottom: 2px solid var(--accent); }
.examples { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(min(500px, 100%), 1fr)); }
.examples + h3 { margin-top: 20px; }
.example { padding: 14px; display: grid; grid-template-columns: 186px minmax(0, 1fr); gap: 18px; align-items: start; }
.pictures { display: flex; flex-wrap: wrap; gap: 12px; }
.pictures figure { margin: 0; line-height: 1.3; width: 87px; }
.pictures small { display: block; font-size: 0.78rem; }
.masked-words { display: grid; gap: 8px 12px; grid-template-columns: repeat(auto-fill, minmax(min(136px, 100%), 1fr)); }
.masked ol { list-style: none; margin: 2px 0 0; padding: 0; font-size: 0.79rem; color: var(--ink); }
.masked li { position: relative; display: flex; justify-content: space-between; gap: 4px; padding: 1px 5px;
  margin-bottom: 2px; }
.masked li span { position: relative; overflow-wrap: anywhere; }
.masked li .bar { position: absolute; left: 0; top: 0; bottom: 0; background: var(--bar); border-radius: 3px; }
.masked li span:last-child { color: var(--muted); white-space: nowrap; font-variant-numeric: tabular-nums; }
.masked li.right { font-weight: 700; color: inherit; }
.retrieved { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px; }
.retrieved .caption small { font-weight: 400; }
.retrieved ol { list-style: none; margin: 0; padding: 0; font-size: 0.76rem; line-height: 1.35; display: grid; gap: 10px;
  grid-template-columns: repeat(auto-fill, minmax(76px, 1fr)); align-items: end; }
.retrieved li { display: flex; flex-direction: column; min-width: 0; }
.retrieved .thumbnail { display: block; width: 100%; max-height: 100px; border-radius: 6px; margin-bottom: 5px; }
.retrieved li.right { font-weight: 700; }
.retrieved li.right .thumbnail { outline: 3px solid var(--right); outline-offset: 1px; }
.retrieved .track { height: 6px; border-radius: 3px; background: var(--line); overflow: hidden; }
.retrieved .track .bar { display: block; height: 100%; background: var(--c1); }
.retrieved .score { color: var(--muted); font-variant-numeric: tabular-nums; }
.masked .asked { font-size: 0.92rem; }
.masked .asked b { color: var(--ink); }

.heat-scale { max-width: 320px; margin: 6px 0 16px; font-size: 0.78rem; color: var(--muted); }
.heat-scale div { height: 12px; border-radius: 3px; }
.heat-scale p { display: flex; justify-content: space-between; margin: 2px 0 0; }
.pair { padding: 14px; margin-bottom: 14px; display: grid; grid-template-columns: 118px minmax(0, 1fr); gap: 18px; }
.shown .caption { margin: 8px 0 4px; font-size: 0.95rem; line-height: 1.35; }
.shown .note { line-height: 1.3; }
.word { margin-bottom: 14px; }
.word h4 { margin: 0 0 2px; font-size: 0.95rem; }
.word h4 small { font-weight: 400; }
.groups { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 14px; }
.group h5 { margin: 0 0 3px; font-size: 0.78rem; font-weight: 600; color: var(--muted); }
.three { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 5px; align-items: start; }
.map { margin: 0; }
.map svg { display: block; width: 100%; border-radius: 3px; }
.map figcaption { font-size: 0.67rem; letter-spacing: -0.01em; line-height: 1.3; color: var(--muted);
  margin-top: 2px; }
.map figcaption b { font-size: 0.72rem; color: var(--ink); font-variant-numeric: tabular-nums; }
.map .patches { stroke: #ffffff; stroke-opacity: 0.3; stroke-width: 1px; vector-effect: non-scaling-stroke; fill: none; }
.map rect { fill: none; vector-effect: non-scaling-stroke; }
.map .box-edge { stroke: #000000; stroke-opacity: 0.75; stroke-width: 3.5px; }
.map .box { stroke: #ffffff; stroke-width: 1.5px; }
details summary { cursor: pointer; color: var(--accent); font-size: 0.88rem; margin-bottom: 8px; }
footer { padding: 30px 18px 40px; color: var(--muted); font-size: 0.85rem; }

@media (max-width: 760px) {
  .pair, .example { grid-template-columns: minmax(0, 1fr); }
  .shown { display: grid; grid-template-columns: 104px minmax(0, 1fr); gap: 4px 14px; align-content: start; }
  .shown .picture { grid-row: span 2; }
  .pictures figure { width: 118px; }
  .groups { grid-template-columns: minmax(0, 1fr); gap: 8px; }
  .three { max-width: 420px; }
}
@media (max-width: 620px) {
  h1 { font-size: 1.5rem; }
  table.figures thead { display: none; }
  table.figures tr { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); column-gap: 6px;
    border-bottom: 1px solid var(--line); padding: 6px 0; }
  table.figures th, table.figures td { border: 0; padding: 2px 0; text-align: left; white-space: normal; }
  table.figures th { grid-column: 1 / -1; }
  table.figures.compared tr { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  table.figures.wrapped tr { grid-template-columns: minmax(0, 1fr); }
  table.figures.compared td.mean { grid-column: 1 / -1; }
  table.figures td::before { content: attr(data-label); display: block; font-size: 0.68rem; line-height: 1.2;
    font-weight: 400; color: var(--muted); min-height: 2.4em; }
  table.figures.compared th { overflow-wrap: anywhere; }
  table.figures.compared td::before { min-height: 0; overflow-wrap: anywhere; }
  table.figures.wrapped td::before, table.figures.compared td.mean::before { display: inline; margin-right: 6px; }
}
@media print { nav { display: none; } .chart, .example, .word { break-inside: avoid; } }
)css";

const char* const kReportScript = R"js(
(() => {
  'use strict';
  const written = (value, unit) => unit === 'share' ? (100 * value).toFixed(1) + '\u00a0%' : String(value);
  const charts = [];
  for (const svg of document.querySelectorAll('svg.plot[data-x]')) {
    const [low, high, from, to] = svg.dataset.x.split(' ').map(Number);
    const figure = svg.closest('figure');
    const step = document.createElement('span');
    figure.querySelector('h3').append(step);
    const values = [...figure.querySelectorAll('.legend .entry b')];
    const series = [...svg.querySelectorAll('.series')].map((group, i) => ({
      points: group.dataset.points.split(' ').map(pair => pair.split(',').map(Number)),
      label: values[i], last: values[i].textContent }));
    charts.push({ svg, step, series, unit: svg.dataset.unit, cursor: svg.querySelector('.cursor'),
      place: x => from + (x - low) / (high - low) * (to - from),
      value: u => low + (u - from) / (to - from) * (high - low) });
  }
  const nearest = (points, x) => points.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
  // All charts have the same axis, so all of them show the step that is pointed at.
  const show = x => {
    for (const chart of charts) {
      let closest = null;
      for (const { points, label } of chart.series) {
        const point = nearest(points, x);
        // A line that has ended says nothing of later steps.
        const ended = point === points.at(-1) && chart.place(x) - chart.place(point[0]) > 8;
        label.textContent = ended ? '\u2013' : written(point[1], chart.unit);
        if (closest === null || Math.abs(point[0] - x) < Math.abs(closest - x)) closest = point[0];
      }
      const u = chart.place(closest);
      chart.step.textContent = 'step ' + Math.round(closest).toLocaleString('en');
      chart.cursor.setAttribute('transform', 'translate(' + u + ' 0)');
      chart.cursor.style.visibility = 'visible';
    }
  };
  const hide = () => {
    for (const chart of charts) {
      for (const { label, last } of chart.series) label.textContent = last;
      chart.step.textContent = '';
      chart.cursor.style.visibility = 'hidden';
    }
  };
  for (const chart of charts) {
    const follow = event => {
      const box = chart.svg.getBoundingClientRect();
      show(chart.value((event.clientX - box.left) / box.width * chart.svg.viewBox.baseVal.width));
    };
    chart.svg.addEventListener('pointermove', follow);
    chart.svg.addEventListener('pointerdown', follow);
    chart.svg.addEventListener('pointerleave', hide);
  }
  const maps = document.querySelectorAll('.map svg');
  for (const svg of maps) {
    const entropy = svg.parentNode.querySelector('b'), last = entropy?.textContent;
    if (!entropy) continue;
    const [rows, columns] = svg.dataset.grid.split(' ').map(Number);
    svg.addEventListener('pointermove', event => {
      const box = svg.getBoundingClientRect();
      const row = Math.floor((event.clientY - box.top) / box.height * rows);
      const column = Math.floor((event.clientX - box.left) / box.width * columns);
      const share = Number(svg.dataset.shares.split(' ')[row * columns + column]);
      const inside = row >= 0 && row < rows && column >= 0 && column < columns;
      if (inside) entropy.textContent = (100 * share).toFixed(1) + '\u00a0%';
    });
    svg.addEventListener('pointerleave', () => { entropy.textContent = last; });
  }
  // For the test of the page: what really takes up room on it.
  const visible = svg => svg.getBoundingClientRect().width > 0 && svg.getBoundingClientRect().height > 0;
  const drawn = charts.filter(({ svg }) => visible(svg) && [...svg.querySelectorAll('.series')].every(group =>
    group.querySelector('.line').getTotalLength() > 0 || group.querySelector('circle')));
  const page = document.documentElement;
  page.dataset.chartsDrawn = drawn.length;
  page.dataset.mapsDrawn = [...maps].filter(svg => visible(svg) && svg.querySelector('path[fill]')).length;
  page.dataset.overflow = Math.max(0, page.scrollWidth - window.innerWidth);
})();
)js";

}  // namespace tessera
