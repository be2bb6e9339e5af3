// Drives the page of `vilt serve` in headless Chromium, over a pipe, as a user with a keyboard alone would.
//   node serve_page.mjs CHROMIUM URL PROFILE SCREENSHOTS PICTURE BAD_PICTURE TEXT
// Prints "ok NAME" or "not ok NAME"; the status is 1 after a failure. TEXT is what is typed as the question or caption.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';

const [chromium, url, profile, screenshots, picture, bad_picture, text] = process.argv.slice(2);
mkdirSync(screenshots, { recursive: true });
const browser = spawn(chromium, ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
  '--remote-debugging-pipe', '--user-data-dir=' + profile, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const to = browser.stdio[3], from = browser.stdio[4];
const ended = setTimeout(() => { console.log('not ok page: no end after two minutes'); finish(1); }, 120_000);

function finish(status) {
  clearTimeout(ended);
  browser.kill();
  process.exit(status);
}

// The protocol: messages of JSON, each ended by a zero byte.
const waiting = new Map(), trouble = [];
let last = 0, session, rest = '';
from.setEncoding('utf8');
from.on('data', part => {
  const messages = (rest + part).split('\0');
  rest = messages.pop();
  for (const message of messages.map(one => JSON.parse(one))) {
    if (message.id) { waiting.get(message.id)(message); waiting.delete(message.id); } else note(message);
  }
});
function note({ method, params }) {
  if (method === 'Runtime.exceptionThrown') trouble.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
  if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type))
    trouble.push(params.args.map(arg => arg.value ?? arg.description).join(' '));
  if (method === 'Log.entryAdded' && ['error', 'warning'].includes(params.entry.level))
    trouble.push(params.entry.text + ' ' + (params.entry.url ?? ''));
}
function call(method, params = {}) {
  const id = ++last;
  to.write(JSON.stringify({ id, method, params, sessionId: session }) + '\0');
  return new Promise((resolve, reject) => waiting.set(id, answer =>
    answer.error ? reject(new Error(method + ': ' + answer.error.message)) : resolve(answer.result)));
}

let failed = false;
function verdict(right, name) {
  if (!right) failed = true;
  console.log((right ? 'ok page: ' : 'not ok page: ') + name);
}
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
async function value(expression) {
  const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, returnByValue: true });
  if (exceptionDetails) throw new Error(expression + ': ' + exceptionDetails.exception.description);
  return result.value;
}
async function until(expression, ms = 15_000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(40)) if (await value(expression)) return true;
  return false;
}
const KEYS = { Tab: 9, Enter: 13, ArrowLeft: 37, ArrowRight: 39, Home: 36, End: 35 };
async function press(key, modifiers = 0) {
  const of = { key, code: key, windowsVirtualKeyCode: KEYS[key], modifiers, ...(key === 'Enter' ? { text: '\r' } : {}) };
  await call('Input.dispatchKeyEvent', { type: 'keyDown', ...of });
  await call('Input.dispatchKeyEvent', { type: 'keyUp', ...of });
}
const CONTROL = 2;
async function shot(name) {
  await sleep(250);
  const { cssContentSize } = await call('Page.getLayoutMetrics');
  const { data } = await call('Page.captureScreenshot', { captureBeyondViewport: true,
    clip: { x: 0, y: 0, width: cssContentSize.width, height: Math.min(cssContentSize.height, 6000), scale: 1 } });
  writeFileSync(screenshots + '/' + name + '.png', Buffer.from(data, 'base64'));
}
async function window_of(width, height, scheme, mobile) {
  await call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile });
  await call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
}
async function open(hash = '') {
  await call('Page.navigate', { url: 'about:blank' });
  await call('Page.navigate', { url: url + hash });
  return until('document.documentElement?.dataset.ready === "true"');
}
const focused = () => value('document.activeElement.id || document.activeElement.textContent');
// Presses Tab until `there` holds of the focused element.
async function tab_to(there, most = 120) {
  for (let i = 0; i < most; ++i) {
    await press('Tab');
    if (await value('(e => ' + there + ')(document.activeElement)')) return true;
  }
  return false;
}
async function type(words) {
  await value('document.getElementById("question").select()');
  await call('Input.insertText', { text: words });
}
async function choose_file(file, slot = 0) {
  const { root } = await call('DOM.getDocument');
  const { nodeIds } = await call('DOM.querySelectorAll', { nodeId: root.nodeId, selector: '#pictures input[type=file]' });
  await call('DOM.setFileInputFiles', { nodeId: nodeIds[slot], files: [file] });
}
const narrow = () => value('document.documentElement.scrollWidth <= document.documentElement.clientWidth');
const SHOWN = '(e => e && !e.hidden && e.getBoundingClientRect().height > 0)';
const answered = 'document.querySelector("#answers :is(.bars, .found) li") !== null';
const drawn = SHOWN + '(document.querySelector("#look")) && document.querySelectorAll("#maps canvas").length >= 4 && ' +
  'document.getElementById("look-waiting").textContent === ""';
const maps = 'JSON.stringify([...document.querySelectorAll("#maps canvas")].map(c => c.toDataURL()))';

async function keyboard_alone(tasks) {
  verdict(await open(), 'it opens');
  const pictures = await value('document.querySelectorAll("#pictures .slot").length');
  for (let slot = 0; slot < pictures; ++slot) await choose_file(picture, slot);
  await press('Tab');
  verdict(await focused() === 'To the question', 'the first Tab reaches the link to the question');
  await press('Enter');
  verdict(await focused() === 'question', 'which leads there');
  await type(text);
  await press('Enter', tasks[0] === 'captions' ? CONTROL : 0);
  verdict(await until(answered), 'Enter asks, and answers are bars');
  verdict(await until(drawn), 'and maps are drawn, with a control');
  await shot('desktop');
  verdict(await tab_to('e.parentNode.id === "words"'), 'Tab reaches the words');
  await press('Home');
  const first = await value(maps), word = await focused();
  await press('ArrowRight');
  verdict(await focused() !== word && await value('document.activeElement.getAttribute("aria-pressed")') === 'true' &&
    await value(maps) !== first, 'an arrow moves to the next word, and shows where it looks');
  await value('document.getElementById("words").scrollIntoView()');
  // As a hand does it: pictures that come meanwhile may have moved the word away.
  let pointed = false;
  for (let tries = 0; tries < 15 && !pointed; ++tries) {
    const [x, y] = await value('(b => [b.left + b.width / 2, b.top + b.height / 2])(document.getElementById("words").children[0].getBoundingClientRect())');
    await call('Input.dispatchMouseEvent', { type: 'mouseMoved', x: 1, y: 1 });
    await call('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y });
    pointed = await until('document.getElementById("words").children[0].getAttribute("aria-pressed") === "true"', 1000);
  }
  verdict(pointed, 'so does the pointer over a word');
  for (const [id, key] of [['layer', 'Home'], ['head', 'ArrowDown'], ['beta', 'End'], ['iterations', 'Home']]) {
    const before = await value(maps);
    verdict(await tab_to('e.id === "' + id + '"'), 'Tab reaches ' + id);
    if (id === 'head') await value('(h => { h.selectedIndex = 1; h.dispatchEvent(new Event("change")); })(document.getElementById("head"))');
    else await press(key);
    verdict(await until(maps + ' !== ' + JSON.stringify(before)), 'the maps follow ' + id);
  }
  const control = await value('document.querySelector(".map-group .said b").textContent');
  verdict(await tab_to('e.id === "shuffle"'), 'Tab reaches the shuffling');
  for (let i = 0; i < 6; ++i) {
    await press('Enter');
    await sleep(150);
  }
  verdict(await until(drawn) && control.split(' ').sort().join() ===
    (await value('document.querySelector(".map-group .said b").textContent')).split(' ').sort().join(),
    'the control has the words of the caption');
}

const loaded = 'document.querySelector("#pictures .slot:nth-child(SLOT) .drop img")?.naturalWidth > 0';
const name_of = slot => value('document.querySelectorAll("#pictures .name")[' + slot + '].textContent');
const centre_of = selector => value('(b => [b.left + b.width / 2, b.top + b.height / 2])(document.querySelector("' + selector +
  '").getBoundingClientRect())');

// A drag from outside of the browser, as the system would tell it.
async function drop(files, selector, items = []) {
  const [x, y] = await centre_of(selector);
  const data = { items, files, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) await call('Input.dispatchDragEvent', { type, x, y, data });
}

// A small picture on the clipboard, then the keys.
async function copy_picture(also_text) {
  const { exceptionDetails } = await call('Runtime.evaluate', { awaitPromise: true, userGesture: true, expression: `(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
    canvas.getContext('2d').fillRect(0, 0, 64, 64);
    const png = await new Promise(resolve => canvas.toBlob(resolve));
    const text = new Blob(['in a table'], { type: 'text/plain' });
    await navigator.clipboard.write([new ClipboardItem(${also_text} ? { 'image/png': png, 'text/plain': text } : { 'image/png': png })]);
  })()` });
  if (exceptionDetails) throw new Error('copying: ' + exceptionDetails.exception.description);
}
async function paste() {
  const of = { key: 'v', code: 'KeyV', windowsVirtualKeyCode: 86, modifiers: CONTROL };
  await call('Input.dispatchKeyEvent', { type: 'keyDown', ...of, commands: ['paste'] });
  await call('Input.dispatchKeyEvent', { type: 'keyUp', ...of });
}

async function dropped_and_pasted(tasks) {
  if (tasks[0] === 'search') return;
  await window_of(1280, 900, 'light', false);
  await open();
  const places = await value('document.querySelectorAll("#pictures .slot").length');
  const said = 'document.getElementById("trouble").textContent';
  const file = picture.split('/').pop();
  for (let slot = 0; slot < places; ++slot) {
    await drop([picture], '#pictures .slot:nth-child(' + (slot + 1) + ') .drop');
    verdict(await until(loaded.replace('SLOT', slot + 1)) && await name_of(slot) === file, 'a dropped picture is taken, place ' + (slot + 1));
  }
  if (places > 1) {
    await open();
    await drop([picture, picture], '#pictures .drop');
    verdict(await until(loaded.replace('SLOT', 2)) && await name_of(0) === file, 'two dropped at once fill both places');
  }
  await drop([picture], '#question');
  verdict(await value('location.href.startsWith("' + url + '")') && await value('document.documentElement.dataset.ready') === 'true',
    'a picture that misses its place changes nothing');
  await drop([], '#pictures .drop', [{ mimeType: 'text/plain', data: 'a red ring' }]);
  verdict(await until(said + '.includes("no file")'), 'what is no file is told');

  await call('Browser.grantPermissions', { origin: new URL(url).origin, permissions: ['clipboardReadWrite', 'clipboardSanitizedWrite'] });
  await call('Emulation.setFocusEmulationEnabled', { enabled: true });  // after a drag the window has it no longer
  await copy_picture(false);
  await value('document.getElementById("question").focus()');
  const before = await value('document.getElementById("question").value');
  for (let slot = 0; slot < places; ++slot) {
    await paste();
    verdict(await until('document.querySelectorAll("#pictures .name")[' + slot + '].textContent === "image.png"') &&
      await until(loaded.replace('SLOT', slot + 1)), 'a pasted picture is taken, place ' + (slot + 1));
  }
  verdict(await value('document.getElementById("question").value') === before && await value(said) === '', '... and the text stays as it is');
  await type(text);
  await value('document.getElementById("go").click()');
  verdict(await until(answered + ' || ' + SHOWN + '(document.querySelector("#look"))'), '... and is asked about');
  await shot('pasted');
  await drop([picture], '#pictures .drop');
  await until('document.querySelector("#pictures .name").textContent === ' + JSON.stringify(file));
  await copy_picture(true);
  await value('document.getElementById("question").focus(); document.getElementById("question").select()');
  await paste();
  verdict(await until('document.getElementById("question").value === "in a table"') && await name_of(0) === file,
    'text that is copied with a picture is pasted as text');
  await value('document.querySelector("#pictures .drop").focus()');
  await choose_file(picture);
  verdict(await value('document.activeElement.matches("#pictures .drop")'), 'a chosen picture leaves the keyboard where it was');
}

async function every_task(tasks) {
  for (const [name, width, height, scheme, mobile] of [['phone', 375, 760, 'light', true], ['dark', 1280, 900, 'dark', false],
    ['phone-dark', 375, 760, 'dark', true]]) {
    await window_of(width, height, scheme, mobile);
    for (const task of tasks) {
      await open('#' + task);
      const slots = await value('document.querySelectorAll("#pictures .slot").length');
      for (let slot = 0; slot < slots; ++slot) await choose_file(picture, slot);
      await value('document.getElementById("question").focus()');
      await type(text);
      await value('document.getElementById("go").click()');
      const there = await until(answered) && (task === 'search' || await until(drawn));
      verdict(there && await narrow(), name + ', ' + task + ': an answer, and nothing sticks out at the side');
      await shot(name + '-' + task);
    }
  }
}

async function troubles(tasks) {
  await window_of(1280, 900, 'light', false);
  await open();
  const said = 'document.getElementById("trouble").textContent';
  await value('document.getElementById("question").focus()');
  await type('');
  await value('document.getElementById("question").value = ""; document.getElementById("go").click()');
  verdict(await until(said + '.startsWith("Write something") || ' + said + '.startsWith("Choose")'), 'a missing text is told');
  if (tasks[0] === 'search') return;
  for (let slot = 0, most = await value('document.querySelectorAll("#pictures .slot").length'); slot < most; ++slot)
    await choose_file(bad_picture, slot);
  await type(text);
  verdict(trouble.length === 0, 'nothing in the console: ' + trouble.join('; '));
  await value('document.getElementById("go").click()');
  verdict(await until(said + '.includes("' + bad_picture.split('/').pop() + '")'), 'a bad picture is told with its reason');
  await shot('bad-picture');
  await call('Network.enable');
  await call('Network.emulateNetworkConditions', { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 });
  await value('document.getElementById("go").click()');
  verdict(await until(said + '.includes("cannot be reached")'), 'a server that is gone is told');
  trouble.length = 0;  // Chromium tells of the answer 400, and of the one that did not come
  await call('Runtime.evaluate', { expression: 'setTimeout(() => planted_error())' });
  await sleep(300);
  verdict(trouble.length > 0, 'a planted error is found');
}

// On a busy machine a first connection may break; what breaks three times is broken.
async function fetched(address) {
  for (let attempt = 1; ; ++attempt)
    try {
      return await fetch(address);
    } catch (error) {
      if (attempt === 3) throw new Error(`${error.message}: ${error.cause}`);
      await sleep(500);
    }
}

try {
  const { targetInfos } = await call('Target.getTargets');
  const { sessionId } = await call('Target.attachToTarget', { targetId: targetInfos.find(one => one.type === 'page').targetId, flatten: true });
  session = sessionId;
  for (const domain of ['Page', 'Runtime', 'Log', 'DOM']) await call(domain + '.enable');
  const { tasks } = await (await fetched(url + 'api/abilities')).json();
  await window_of(1280, 900, 'light', false);
  await open();
  const tabs = await value('[...document.querySelectorAll("[role=tab]")].map(tab => tab.id.slice(4))');
  verdict(tabs.length > 0 && tabs.every(tab => tasks.includes(tab) || ['captions', 'search'].includes(tab)),
    'offers what the checkpoint can do: ' + tabs.join(', '));
  await keyboard_alone(tabs);
  await dropped_and_pasted(tabs);
  await every_task(tabs);
  await troubles(tabs);
} catch (error) {
  verdict(false, error.message);
}
finish(failed ? 1 : 0);
