// Where the words look: maps of attention and of the transport plan, of the caption and of its words shuffled.
import { by_id, element, percent, show_trouble, waiter } from '/page/elements.js';
import { address_of } from '/page/requests.js';

// log2(1 + share in units of the even one) / 4, as in the report's maps.
function levels(weights) {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map(weight => total > 0 ? Math.min(1, Math.log2(1 + weight * weights.length / total) / 4) : 0);
}

export class Look {
  // `ask(fields, pictures, signal)` asks the server.
  constructor(abilities, ask) {
    this.abilities = abilities;
    this.ask = ask;
    this.section = by_id('look');
    this.wait = waiter(by_id('look-waiting'));
    this.seed = 1;
    this.word = 0;
    this.turn = 0;
    this.set_up();
  }

  set_up() {
    const { layers, heads } = this.abilities;
    const layer = by_id('layer'), head = by_id('head');
    layer.max = layers;
    layer.value = layers;
    head.append(element('option', { value: 0 }, 'mean of ' + heads));
    for (let i = 1; i <= heads; ++i) head.append(element('option', { value: i }, String(i)));
    for (const name of ['layer', 'beta', 'iterations']) by_id(name).addEventListener('input', () => this.changed());
    head.addEventListener('change', () => this.changed());
    by_id('shuffle').addEventListener('click', () => { ++this.seed; this.changed(); });
    this.tell_settings();
    this.draw_scale();
  }

  settings() {
    return { layer: Number(by_id('layer').value), head: Number(by_id('head').value),
      beta: Number((10 ** by_id('beta').value).toPrecision(2)),
      iterations: Math.round(10 ** by_id('iterations').value), shuffle: this.seed };
  }

  tell_settings() {
    const { layer, beta, iterations } = this.settings();
    by_id('layer-value').textContent = layer + ' of ' + this.abilities.layers;
    by_id('beta-value').textContent = beta;
    by_id('iterations-value').textContent = iterations;
    by_id('beta').setAttribute('aria-valuetext', beta);
    by_id('iterations').setAttribute('aria-valuetext', iterations);
  }

  changed() {
    this.tell_settings();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), 60);
  }

  hide() {
    ++this.turn;
    this.section.hidden = true;
  }

  // The first word that says something is looked at first.
  async show(text, pictures) {
    this.text = text;
    this.pictures = pictures;
    this.word = -1;
    this.seed = 1;
    await this.load();
  }

  async load() {
    const turn = ++this.turn;
    this.wait('Looking …');
    try {
      const several = this.pictures.length > 1;
      const seen = await this.ask({ text: this.text, ...this.settings(), several }, this.pictures);
      if (turn !== this.turn) return;
      const same = this.seen && JSON.stringify(this.seen.words) === JSON.stringify(seen.words);
      this.seen = seen;
      if (this.word < 0 || this.word >= seen.words.length) {
        const best = seen.words.reduce((at, word, i) => word.length > seen.words[at].length ? i : at, 0);
        const mask = seen.words.indexOf('[MASK]');
        this.word = mask >= 0 ? mask : best;
      }
      if (!same || this.section.hidden) this.draw_words();
      this.section.hidden = false;
      show_trouble(by_id('look-trouble'), null);
      this.draw();
    } catch (error) {
      if (turn !== this.turn) return;
      this.section.hidden = false;
      show_trouble(by_id('look-trouble'), error);
    } finally {
      if (turn === this.turn) this.wait('');
    }
  }

  draw_words() {
    const choose = i => () => {
      if (this.word === i) return;
      this.word = i;
      this.draw();
    };
    const step = i => event => {
      const to = { ArrowLeft: i - 1, ArrowRight: i + 1 }[event.key];
      const next = by_id('words').children[to];
      if (next) next.focus();
    };
    by_id('words').replaceChildren(...this.seen.words.map((word, i) => element('button',
      { type: 'button', onpointerenter: choose(i), onfocus: choose(i), onclick: choose(i), onkeydown: step(i) }, word)));
  }

  draw() {
    const { seen, word } = this;
    [...by_id('words').children].forEach((button, i) => button.setAttribute('aria-pressed', i === word));
    const name = seen.words[word];
    const layer = 'attention, layer ' + seen.layer + ', ' + (seen.head === 0 ? 'mean of heads' : 'head ' + seen.head);
    const plan = 'plan, beta ' + seen.beta + ' × ' + seen.iterations;
    const group = (title, said, of, picture) => element('div', { class: 'map-group' }, element('h3', {}, title), said,
      element('div', { class: 'map-pair' },
        this.map(of, of.attention[word], picture, layer, name, 'of the word’s attention is on the picture'),
        this.map(of, of.plan[word], picture, plan, name, 'of the plan’s mass is the word’s')));
    by_id('maps').replaceChildren(...seen.pictures.map((of, p) => {
      const place = seen.pictures.length > 1 ? ', ' + ['left', 'right'][p] + ' picture' : '';
      const groups = [group('“' + name + '”' + place,
        element('p', { class: 'said' }, 'In the caption as it is.'), of, this.pictures[p])];
      if (seen.control) {
        const control = seen.control.pictures[p];
        groups.push(group('Control' + place,
          element('p', { class: 'said' }, 'The same word, shuffled: ', element('b', {}, seen.control.text)), control,
          this.pictures[p]));
      }
      return element('div', { class: 'map-row' }, ...groups);
    }));
  }

  map(of, row, picture, title, word, meaning) {
    if (!row) return element('p', { class: 'note' }, 'The shuffled text has no such word.');
    const canvas = element('canvas', { width: of.columns, height: of.rows });
    const context = canvas.getContext('2d'), image = context.createImageData(of.columns, of.rows);
    const palette = this.abilities.palette;
    levels(row.weights).forEach((level, i) => image.data.set(palette[Math.round(level * (palette.length - 1))], 4 * i));
    context.putImageData(image, 0, 0);
    const total = row.weights.reduce((sum, weight) => sum + weight, 0);
    const largest = Math.max(...row.weights), share = total > 0 ? largest / total : 0;
    const at = row.weights.indexOf(largest);
    const img = element('img', { src: address_of(picture), alt: '' });
    img.style.imageOrientation = this.abilities.respects_orientation ? 'from-image' : 'none';
    img.style.aspectRatio = of.columns + ' / ' + of.rows;
    const label = title + ' of “' + word + '”: largest in row ' + (Math.floor(at / of.columns) + 1) + ', column ' +
      (at % of.columns + 1) + ', with ' + percent(share);
    return element('figure', { class: 'map' },
      element('div', { class: 'view', role: 'img', 'aria-label': label }, img, canvas),
      element('figcaption', {}, element('strong', {}, title),
        'entropy ', element('b', {}, row.entropy.toFixed(2)), ' (even: 1) · largest patch ',
        element('b', {}, percent(share)), ' (chance ', percent(of.chance), ') · ', percent(row.share), ' ', meaning));
  }

  draw_scale() {
    const canvas = by_id('scale'), context = canvas.getContext('2d'), palette = this.abilities.palette;
    for (let x = 0; x < canvas.width; ++x) {
      const [red, green, blue] = palette[Math.round(x / (canvas.width - 1) * (palette.length - 1))];
      context.fillStyle = 'rgb(' + red + ' ' + green + ' ' + blue + ')';
      context.fillRect(x, 0, 1, canvas.height);
    }
  }
}
