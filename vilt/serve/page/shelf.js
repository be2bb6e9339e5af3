// The pictures at hand: the run's test samples, and those of the folder.
import { by_id, element, thousands } from '/page/elements.js';
import { address_of, get } from '/page/requests.js';

const AT_ONCE = 48;

export class Shelf {
  // `pick(pictures, example)`: somebody chose; the example is null for a picture of the folder.
  constructor(abilities, pick) {
    this.abilities = abilities;
    this.pick = pick;
    this.sources = [];
    this.chosen = 0;
    by_id('shelf-more').addEventListener('click', () => {
      const first = by_id('shelf-list').children.length;
      this.draw_more();
      by_id('shelf-list').children[first]?.querySelector('button').focus();
    });
  }

  async load() {
    const { examples, folder } = this.abilities;
    const test = async () => (await get('/api/examples')).examples.map(example =>
      ({ pictures: example.pictures.map(name => ({ test: name })), example, label: example.text }));
    if (examples > 0) this.sources.push({ name: 'Test pictures', note: 'From the test split of this run, with what is said of them.',
      entries: await test() });
    if (folder) {
      const { pictures, whole } = await get('/api/pictures');
      const entries = pictures.map(name => ({ pictures: [{ name }], example: null, label: name }));
      const note = entries.length === 0 ? 'There are no pictures in the folder.'
        : thousands(entries.length) + (whole ? ' pictures in the folder.' : ' pictures of the folder; it has more.');
      this.sources.push({ name: 'Folder', note, entries });
    }
    by_id('shelf').hidden = this.sources.length === 0;
    if (this.sources.length > 0) this.choose(this.sources.length > 1 && this.sources[1].entries.length > 0 ? 1 : 0);
  }

  choose(index) {
    this.chosen = index;
    by_id('shelf-tabs').hidden = this.sources.length < 2;
    by_id('shelf-tabs').replaceChildren(...this.sources.map(({ name }, i) => element('button',
      { type: 'button', 'aria-pressed': String(i === index), onclick: () => { this.choose(i); by_id('shelf-tabs').children[i].focus(); } },
      name)));
    by_id('shelf-note').textContent = this.sources[index].note;
    by_id('shelf-list').replaceChildren();
    this.draw_more();
  }

  draw_more() {
    const list = by_id('shelf-list'), { entries } = this.sources[this.chosen];
    for (const entry of entries.slice(list.children.length, list.children.length + AT_ONCE)) {
      const pictures = entry.pictures.map(picture => element('img',
        { src: address_of(picture, true), alt: '', loading: 'lazy', width: 160, height: 160 }));
      list.append(element('li', {}, element('button', { type: 'button', title: entry.label,
        onclick: () => this.pick(entry.pictures, entry.example) },
        pictures.length > 1 ? element('div', { class: 'pair' }, ...pictures) : pictures[0], element('span', {}, entry.label))));
    }
    by_id('shelf-more').hidden = list.children.length >= entries.length;
  }

  // All pictures of the chosen source, each once.
  pictures() {
    const seen = new Map();
    for (const { pictures } of this.sources[this.chosen]?.entries ?? [])
      for (const picture of pictures) seen.set(JSON.stringify(picture), picture);
    return [...seen.values()];
  }
  source_name() { return this.sources[this.chosen]?.name ?? ''; }

  examples() { return this.sources.flatMap(({ entries }) => entries).map(({ example }) => example).filter(example => example); }
  first_example() { return this.sources.flatMap(({ entries }) => entries).find(({ example }) => example) ?? null; }
}

