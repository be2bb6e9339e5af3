// The page: tasks, pictures, the question and its answers.
import { by_id, element, show_trouble, thousands, waiter } from '/page/elements.js';
import { Look } from '/page/look.js';
import { address_of, all_sendable, get, post } from '/page/requests.js';
import { search } from '/page/search.js';
import { Shelf } from '/page/shelf.js';
import { offered } from '/page/tasks.js';

const state = { abilities: null, tasks: {}, task: '', pictures: [null, null], slot: 0, known: null, running: null };
let look, shelf;
const wait = waiter(by_id('waiting'));
const task = () => state.tasks[state.task];
const chosen = () => state.pictures.slice(0, task().picks);

function draw_tabs() {
  const names = Object.keys(state.tasks);
  const tabs = by_id('tasks');
  tabs.replaceChildren(...names.map(name => element('button', { type: 'button', role: 'tab', id: 'tab-' + name,
    'aria-selected': String(name === state.task), 'aria-controls': 'ask', tabindex: name === state.task ? 0 : -1,
    onclick: () => choose_task(name), onkeydown: move_tab }, state.tasks[name].title)));
  tabs.hidden = false;
}

function move_tab(event) {
  const names = Object.keys(state.tasks), at = names.indexOf(state.task);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose_task(names[(to + names.length) % names.length]);
  by_id('tab-' + state.task).focus();
}

function choose_task(name) {
  state.running?.abort();
  state.task = name;
  const { title, label, go, rows, help, picks, masks } = task();
  draw_tabs();
  by_id('task-title').textContent = title;
  by_id('question-label').textContent = label;
  by_id('question').rows = rows;
  by_id('question-help').textContent = help;
  by_id('go').textContent = go;
  by_id('mask').hidden = !masks;
  by_id('pictures').hidden = picks === 0;
  document.querySelector('.columns').classList.toggle('alone', picks === 0);
  by_id('answers').replaceChildren();
  show_trouble(by_id('trouble'), null);
  look.hide();
  state.slot = 0;
  if (state.known) set_text(state.known);
  draw_pictures();
}

// An example's text, and that of two others where captions are compared.
function set_text(example) {
  state.known = example;
  const all = shelf.examples().filter(other => other.text !== example.text);
  const at = shelf.examples().indexOf(example);
  const others = [all[(3 * at + 1) % all.length], all[(5 * at + 2) % all.length]].filter(other => other);
  by_id('question').value = state.filled = task().text_of(example, others);
}

function draw_pictures() {
  const { picks } = task();
  // The places are made anew; one that has the keyboard keeps it.
  const focused = [...by_id('pictures').children].findIndex(slot => slot.contains(document.activeElement));
  by_id('pictures').replaceChildren(...state.pictures.slice(0, picks).map((picture, i) => {
    const input = element('input', { type: 'file', accept: 'image/jpeg,image/png,image/webp,image/gif', hidden: true,
      onchange: () => take_file(input.files[0], i) });
    const inside = picture ? picture_image(picture, i) : element('span', {}, 'Drop a picture here, or press to choose one');
    const what = picks > 1 ? ['left', 'right'][i] + ' picture' : 'picture';
    const drop = element('button', { type: 'button', class: picture ? 'drop full' : 'drop',
      'aria-label': (picture ? 'Choose another ' : 'Choose the ') + what, onclick: () => { state.slot = i; input.click(); },
      ondragover: event => { event.preventDefault(); drop.classList.add('over'); },
      ondragleave: () => drop.classList.remove('over'),
      ondrop: event => { event.preventDefault(); drop.classList.remove('over'); take_dropped(event.dataTransfer, i); } },
      inside);
    const name = picture ? (picture.file ? picture.file.name : picture.test ?? picture.name) : '';
    return element('div', { class: picks > 1 && i === state.slot ? 'slot chosen' : 'slot' },
      ...(picks > 1 ? [element('h3', {}, i === 0 ? 'Left picture' : 'Right picture')] : []), drop, input,
      element('p', { class: 'name' }, name));
  }));
  by_id('pictures').children[focused]?.querySelector('.drop').focus({ preventScroll: true });
}

function picture_image(picture, i) {
  const img = element('img', { src: address_of(picture), alt: 'the picture that is asked about' });
  img.style.imageOrientation = state.abilities.respects_orientation ? 'from-image' : 'none';
  img.addEventListener('error', () => {
    if (state.pictures[i] === picture)
      show_trouble(by_id('trouble'), new Error('The browser cannot show this picture; the model may still read it.'));
  });
  return img;
}

function take_file(file, i) {
  if (!file) return;
  const { picture_bytes } = state.abilities.limits;
  if (file.size > picture_bytes)
    return show_trouble(by_id('trouble'), new Error('The picture has ' + thousands(file.size) + ' bytes, the limit is ' +
      thousands(picture_bytes) + '.'));
  put(i, { file });
  state.known = null;
}

// Several files fill the places from the i-th on.
function take_dropped({ files }, i) {
  if (files.length === 0)
    return show_trouble(by_id('trouble'), new Error('That was no file. Save the picture first, then drop the file here.'));
  [...files].slice(0, task().picks - i).forEach((file, k) => take_file(file, i + k));
}

// One after the other, where there are two places. Text that comes with its picture, as from a table, stays text in the box.
function take_pasted(event) {
  const file = [...event.clipboardData.files].find(one => one.type.startsWith('image/'));
  const is_text = event.target === by_id('question') && event.clipboardData.types.includes('text/plain');
  if (!file || is_text || task().picks === 0) return;
  event.preventDefault();
  const { slot } = state;
  if (task().picks > 1) state.slot = 1 - slot;
  take_file(file, slot);
}

function put(i, picture) {
  if (state.pictures[i]?.url) URL.revokeObjectURL(state.pictures[i].url);
  state.pictures[i] = picture;
  show_trouble(by_id('trouble'), null);
  by_id('answers').replaceChildren();
  look.hide();
  draw_pictures();
}

// From the shelf: a whole example, or a picture for the next place.
function pick(pictures, example) {
  const { picks, searches } = task();
  if (picks === 2 && pictures.length === 1) {
    put(state.slot, pictures[0]);
    state.slot = 1 - state.slot;
    draw_pictures();
  } else {
    pictures.slice(0, Math.max(1, picks)).forEach((picture, i) => put(i, picture));
  }
  if (example && (by_id('question').value === '' || by_id('question').value === state.filled)) set_text(example);
  if (searches) { open_result(pictures[0]); return; }
  by_id('question').focus({ preventScroll: true });
  by_id('tasks').scrollIntoView({ block: 'start', behavior: 'auto' });
}

function known_line() {
  const { right, answer_of } = task();
  const example = state.known;
  if (!right || !example || by_id('question').value !== state.filled) return [];
  const answer = answer_of ? answer_of(example) : example.answer;
  return answer ? [element('p', { class: 'known' }, right + ': ', element('b', {}, answer))] : [];
}

const looked_at = text => task().look_at ? task().look_at(text) : text;

async function open_result(picture) {
  state.pictures[0] = picture;
  await look.show(by_id('question').value.trim(), [picture]);
  by_id('look').scrollIntoView({ block: 'start' });
}

async function ask_task(text, signal) {
  const pictures = await all_sendable(chosen());
  const sent = (name, fields, of) => post(name, fields, of, signal);
  wait('Asking …');
  const answers = await task().ask(sent, text, pictures, state.abilities);
  by_id('answers').replaceChildren(task().show(answers, text), ...known_line());
  wait('');
  await look.show(looked_at(text), chosen());
}

async function submit() {
  const text = by_id('question').value.trim();
  show_trouble(by_id('trouble'), null);
  state.running?.abort();
  const running = state.running = new AbortController();
  by_id('stop').hidden = !task().searches;
  try {
    if (chosen().some(picture => !picture))
      throw new Error(task().picks > 1 ? 'Choose two pictures first.' : 'Choose a picture first.');
    if (text === '') throw new Error('Write something first.');
    if (task().masks && !text.includes('[MASK]')) throw new Error('Write [MASK] where a word is to be filled in.');
    by_id('answers').setAttribute('aria-busy', 'true');
    if (task().searches)
      await search(text, shelf.pictures(), state.abilities.limits.batch, by_id('answers'), running.signal, wait, open_result);
    else
      await ask_task(text, running.signal);
  } catch (error) {
    if (error.name !== 'AbortError' && running === state.running) {
      by_id('answers').replaceChildren();
      look.hide();
      show_trouble(by_id('trouble'), error);
    }
  } finally {
    if (running === state.running) {
      wait('');
      by_id('stop').hidden = true;
      by_id('answers').removeAttribute('aria-busy');
    }
  }
}

function set_up_form() {
  by_id('form').addEventListener('submit', event => { event.preventDefault(); submit(); });
  by_id('stop').addEventListener('click', () => state.running?.abort());
  by_id('question').addEventListener('keydown', event => {
    if (event.key !== 'Enter' || event.isComposing) return;
    if (task().several_lines ? event.ctrlKey || event.metaKey : !event.shiftKey) {
      event.preventDefault();
      submit();
    }
  });
  by_id('mask').addEventListener('click', () => {
    const box = by_id('question');
    box.setRangeText('[MASK]', box.selectionStart, box.selectionEnd, 'end');
    box.focus();
  });
  // A picture that misses its place must not replace the page.
  for (const kind of ['dragover', 'drop']) window.addEventListener(kind, event => event.preventDefault());
  window.addEventListener('paste', take_pasted);
}

function describe({ model, layers, heads, hidden_size, parameters, labels }) {
  by_id('model').textContent = model;
  document.title = model + ' · ask a model';
  by_id('facts').textContent = layers + ' layers, width ' + hidden_size + ', ' + heads + ' heads, ' + thousands(parameters) +
    ' parameters' + (labels > 0 ? ', ' + thousands(labels) + ' answers' : '');
}

async function start() {
  try {
    state.abilities = await get('/api/abilities');
    describe(state.abilities);
    state.tasks = offered(state.abilities);
    look = new Look(state.abilities, async (fields, pictures) => post('look', fields, await all_sendable(pictures)));
    shelf = new Shelf(state.abilities, pick);
    await shelf.load();
    set_up_form();
    const first = shelf.first_example(), wanted = location.hash.slice(1);
    if (first) {
      first.pictures.forEach((picture, i) => { state.pictures[i] = picture; });
      state.known = first.example;
    }
    choose_task(wanted in state.tasks ? wanted : Object.keys(state.tasks)[0]);
    by_id('ask').hidden = false;
    document.documentElement.dataset.ready = 'true';
  } catch (error) {
    by_id('facts').textContent = '';
    show_trouble(by_id('trouble'), error);
  }
}

start();
