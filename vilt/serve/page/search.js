// Holds every picture against a text, a few at a time, so that others are answered in between and the best ones so far
// can be seen.
import { element, thousands } from '/page/elements.js';
import { address_of, post } from '/page/requests.js';

const SHOWN = 24;

// `open(picture)`: somebody chose a result.
function results(best, open) {
  const top = best[0].score;
  return element('ol', { class: 'found' }, ...best.slice(0, SHOWN).map(({ picture, score }) => {
    const bar = element('i');
    bar.style.width = 100 * Math.max(0.02, 1 - (top - score) / 8) + '%';
    return element('li', {}, element('button', { type: 'button', onclick: () => open(picture) },
      element('img', { src: address_of(picture, true), alt: '' }), element('div', { class: 'score' }, bar),
      element('b', {}, score.toFixed(2)), element('span', {}, picture.test ?? picture.name)));
  }));
}

// Ends early when `signal` is aborted. Pictures that cannot be read are told, and left out.
export async function search(text, pictures, batch, place, signal, wait, open) {
  let best = [];
  const bad = [];
  for (let first = 0; first < pictures.length && !signal.aborted; first += batch) {
    wait(thousands(first) + ' of ' + thousands(pictures.length) + ' pictures …');
    const part = pictures.slice(first, first + batch);
    const scores = await scored(text, part, signal, bad);
    best = best.concat(scores).sort((a, b) => b.score - a.score).slice(0, SHOWN);
    if (best.length > 0) place.replaceChildren(results(best, open));
  }
  if (pictures.length === 0) place.replaceChildren(element('p', { class: 'note' }, 'There are no pictures to search.'));
  if (bad.length > 0)
    place.append(element('p', { class: 'error' }, bad.length + (bad.length === 1 ? ' picture' : ' pictures') +
      ' could not be read: ' + bad[0] + (bad.length > 1 ? ' …' : '')));
  return best;
}

// A picture that cannot be read takes the others of its request with it: they are then asked one by one.
async function scored(text, part, signal, bad) {
  try {
    const { results: found } = await post('rank', { text, several: true }, part, signal);
    return found.map(({ index, score }) => ({ picture: part[index], score }));
  } catch (error) {
    if (error.name === 'AbortError') return [];
    if (part.length === 1) {
      bad.push(error.message);
      return [];
    }
    const out = [];
    for (const picture of part) out.push(...await scored(text, [picture], signal, bad));
    return out;
  }
}
