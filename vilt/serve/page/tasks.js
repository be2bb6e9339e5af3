// What can be asked, in the page's words, and how the answers are shown.
import { bars, element, percent } from '/page/elements.js';

const MASK = '[MASK]';

// The longest word of a caption hidden: the one that says most.
function masked(caption) {
  const words = caption.split(' ');
  const longest = words.reduce((best, word, i) => word.length > words[best].length ? i : best, 0);
  words[longest] = MASK;
  return words.join(' ');
}

const lines = text => text.split('\n').map(line => line.trim()).filter(line => line !== '');

function labels({ results }) {
  return bars(results.map(({ label, probability }) => ({ label, value: percent(probability), share: probability })));
}

function words({ results }, text) {
  const out = element('div');
  let at = 0;
  const filled = element('p', { class: 'filled' });
  text.split(MASK).forEach((part, i) => {
    if (i > 0) filled.append(element('mark', {}, results[at++].tokens[0].token));
    filled.append(part);
  });
  out.append(filled);
  results.forEach(({ tokens }, i) => {
    if (results.length > 1) out.append(element('h3', {}, MASK + ' ' + (i + 1)));
    out.append(bars(tokens.map(({ token, probability }) => ({ label: token, value: percent(probability), share: probability }))));
  });
  return out;
}

// Scores mean something by their differences alone: the best fills the row, one that is 8 lower is empty.
const relative = (score, best) => Math.max(0, 1 - (best - score) / 8);

function captions({ match, rank }) {
  const out = element('div');
  if (match) {
    out.append(element('h3', {}, 'Match ', element('small', {}, 'each caption on its own: does it belong to the picture?')),
      bars(match.results.map(({ text, probability }) => ({ label: text, value: percent(probability), share: probability })), false));
  }
  if (rank) {
    const best = rank.results[0].score;
    out.append(element('h3', {}, 'Rank ', element('small', {}, 'best first; only differences of scores mean something')),
      bars(rank.results.map(({ text, score }) => ({ label: text, value: score.toFixed(2), share: relative(score, best) }))));
  }
  return out;
}

// `text_of`: what an example's text becomes in the box; `ask`: (post, text, pictures) to what `show` takes.
const TASKS = {
  answer: {
    title: 'Ask a question', label: 'Question about the picture', go: 'Ask', rows: 2, picks: 1,
    help: 'Enter asks.', right: 'Right answer', text_of: example => example.text,
    ask: (post, text, pictures) => post('answer', { text, top: 8 }, pictures), show: labels,
  },
  fill: {
    title: 'Fill in a word', label: 'Caption with ' + MASK, go: 'Fill in', rows: 2, picks: 1, masks: true,
    help: 'Write ' + MASK + ' for each hidden word; a long word may be several pieces. Enter fills in.',
    right: 'Caption of the picture', text_of: example => masked(example.text), answer_of: example => example.text,
    ask: (post, text, pictures) => post('fill', { text, top: 8 }, pictures), show: words,
  },
  captions: {
    title: 'Compare captions', label: 'Captions, one a line', go: 'Compare', rows: 5, picks: 1, several_lines: true,
    help: 'Ctrl + Enter compares.', right: 'Caption of the picture', answer_of: example => example.text,
    text_of: (example, others) => [example, ...others].map(one => one.text).join('\n'),
    ask: async (post, text, pictures, abilities) => {
      const texts = lines(text), out = {};
      if (abilities.tasks.includes('match')) out.match = await post('match', { texts }, pictures);
      if (abilities.tasks.includes('rank') && (!out.match || !abilities.ranks_by_match))
        out.rank = await post('rank', { texts }, pictures);
      return out;
    },
    show: captions, look_at: text => lines(text)[0] ?? '',
  },
  reason: {
    title: 'Two pictures', label: 'Statement about both pictures', go: 'Judge', rows: 2, picks: 2,
    help: 'Say “the left image” and “the right image”. Enter judges.', right: 'Right answer',
    text_of: example => example.text,
    ask: (post, text, pictures) => post('reason', { text, several: true }, pictures), show: labels,
  },
  search: {
    title: 'Search pictures', label: 'What should be in the picture?', go: 'Search', rows: 2, picks: 0, searches: true,
    help: 'Every picture at hand is held against the text. Enter searches.', text_of: example => example.text,
  },
  look: {
    title: 'Where words look', label: 'Caption', go: 'Look', rows: 2, picks: 1, help: 'Enter looks.',
    text_of: example => example.text, ask: async () => ({}), show: () => element('div'),
  },
};

// Those that this checkpoint can do, by name.
export function offered(abilities) {
  const can = name => abilities.tasks.includes(name);
  const names = [];
  if (can('answer')) names.push('answer');
  if (can('reason')) names.push('reason');
  if (can('fill')) names.push('fill');
  if (can('match') || can('rank')) names.push('captions');
  if (can('rank') && (abilities.folder || abilities.examples > 0)) names.push('search');
  if (names.length === 0) names.push('look');
  return Object.fromEntries(names.map(name => [name, TASKS[name]]));
}
