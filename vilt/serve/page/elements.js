// Small tools for building the page.

export const by_id = id => document.getElementById(id);

// element('li', {class: 'a'}, 'text', other)
export function element(name, attributes, ...children) {
  const out = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) out.addEventListener(key.slice(2), value);
    else if (value === true) out.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) out.setAttribute(key, value);
  }
  out.append(...children);
  return out;
}

export const percent = share => (100 * share).toFixed(1) + '\u00a0%';
export const thousands = number => number.toLocaleString('en');

export function show_trouble(place, error) {
  place.textContent = error ? error.message : '';
  place.hidden = !error;
}

// Says what is waited for, from one text to the next; an empty one ends it. Only what takes a moment is told.
export function waiter(place) {
  let timer = 0, last = '';
  const tell = () => {
    place.textContent = last;
    place.classList.toggle('busy', last !== '');
  };
  return text => {
    const begins = last === '' && text !== '';
    last = text;
    if (begins) timer = setTimeout(tell, 150);
    else if (text === '') clearTimeout(timer);
    if (text === '' || place.classList.contains('busy')) tell();
  };
}

// A list of bars: [{label, value, share}].
export function bars(rows, ordered = true) {
  return element('ol', { class: ordered ? 'bars' : 'bars unordered' }, ...rows.map(({ label, value, share }) => {
    const bar = element('span', { class: 'bar', 'aria-hidden': 'true' });
    bar.style.width = 100 * Math.max(0, Math.min(1, share)) + '%';
    return element('li', {}, bar, element('span', {}, label), element('span', {}, value));
  }));
}
