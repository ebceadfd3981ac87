// The operator's page. No framework and no build step: what the station says arrives as events, is
// kept in `state` and drawn by draw.js. Nothing here decides anything: a PASS on the screen is the
// station's word, and is taken down the moment the station is not heard.
import {$, actions, draw, drawPending, drawScan, faceOf, kLanguages, say, sentenceOf, speak, state, wordOf} from './draw.js';

const kSilenceMs = 25000;   // two and a half pings of the station
const kLateMs = 2000;       // a line that does not open within this is no line
const kScanPairMs = 60000;  // a unit scanned longer ago is forgotten: somebody walked away
const kResultMs = 12000;

// ---- words

function firstLanguage() {
  const asked = new URLSearchParams(location.search).get('lang');
  const wishes = [asked, ...navigator.languages].filter(Boolean).map((tag) => tag.slice(0, 2).toLowerCase());
  return wishes.find((tag) => kLanguages.includes(tag)) ?? 'en';
}

async function nextLanguage() {
  const next = kLanguages[(kLanguages.indexOf(state.language) + 1) % kLanguages.length];
  const address = new URL(location.href);
  address.searchParams.set('lang', next);
  history.replaceState(null, '', address);
  await speak(next);
}

// {ok, status, body}; a problem+json body has `code` and `args`. status 0: the station was not reached.
async function call(method, path, body) {
  const options = {method, headers: {accept: 'application/json'}, cache: 'no-store'};
  if (body !== undefined) {
    options.headers['content-type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  try {
    const reply = await fetch(`/api/v1${path}`, options);
    const text = await reply.text();
    return {ok: reply.ok, status: reply.status, body: text === '' ? {} : JSON.parse(text)};
  } catch {
    return {ok: false, status: 0, body: {}};
  }
}

const complaint = (reply) =>
  reply.status === 0 ? say('ui.scan.offline') : say(reply.body.code ?? `http.${reply.status}`, reply.body.args ?? {});

// ---- signing in

function show(view) {
  document.body.dataset.view = view;
  focusField();
}

function focusField() {
  (document.body.dataset.view === 'station' ? $('scan') : $('token')).focus({preventScroll: true});
}

async function signIn(event) {
  event.preventDefault();
  const token = $('token').value.trim();
  $('token').value = '';
  $('login-error').textContent = '';
  const reply = await call('POST', '/session', {token});
  if (!reply.ok) $('login-error').textContent = complaint(reply);
  else await enter();
}

async function enter() {
  const reply = await call('GET', '/session');
  if (!reply.ok) return show('login');
  state.person = reply.body;
  show('station');
  draw();
  listen();
}

async function signOut() {
  await call('DELETE', '/session');
  leave();
}

function leave() {
  hangUp();
  Object.assign(state, {person: null, live: false, unit: null, result: null, pending: [], station: null});
  state.slots.clear();
  draw();
  show('login');
}

// ---- hearing the station: server-sent events over fetch, because a silent line must be noticed
// too, and EventSource hides the pings.

let line = null;  // the AbortController of the open line

function hangUp() {
  line?.abort();
  line = null;
}

let retry = () => {};  // gives up the request under way and asks again

async function listen() {
  hangUp();
  const mine = (line = new AbortController());
  for (let failures = 0; line === mine; ++failures) {
    if (await hear(mine)) failures = 0;
    if (line !== mine) return;
    if (failures > 0) offline();
    await new Promise((done) => setTimeout(done, Math.min(250 * 2 ** failures, 4000)));
  }
}

// True when the station was heard at all. Ends when the line does.
async function hear(mine) {
  const one = new AbortController();
  const late = setTimeout(offline, kLateMs);
  let heard = false, silence = watch(one);
  mine.signal.addEventListener('abort', () => one.abort());
  retry = () => one.abort();
  try {
    const reply = await fetch('/api/v1/events', {signal: one.signal, cache: 'no-store', headers: {accept: 'text/event-stream'}});
    if (reply.status === 401 && line === mine) leave();
    if (!reply.ok) return false;
    for await (const block of blocks(reply.body)) {
      clearTimeout(silence);
      silence = watch(one);
      if (!dispatch(block)) continue;
      heard = true;
      clearTimeout(late);
    }
  } catch {
    // The line broke, or was hung up: the caller goes on.
  } finally {
    clearTimeout(late);
    clearTimeout(silence);
  }
  return heard;
}

function watch(one) {
  return setTimeout(() => {
    offline();
    one.abort();
  }, kSilenceMs);
}

async function* blocks(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ''; ;) {
    const {value, done} = await reader.read();
    if (done) return;
    const parts = (rest + value).replaceAll('\r\n', '\n').split('\n\n');
    rest = parts.pop();
    yield* parts;
  }
}

function dispatch(block) {
  const fields = block.split('\n').filter((text) => !text.startsWith(':')).map((text) => text.match(/^(\w+): ?(.*)$/) ?? []);
  const type = fields.find(([, name]) => name === 'event')?.[2];
  const data = fields.filter(([, name]) => name === 'data').map((field) => field[2]).join('\n');
  if (!type || data === '') return false;
  take(type, JSON.parse(data));
  return true;
}

function take(type, body) {
  if (type === 'snapshot') {
    state.live = true;
    state.slots = new Map(body.slots.map((slot) => [slot.slot, slot]));
    state.pending = body.pending;
    state.station = body.station;
  } else if (type === 'slot') {
    announce(state.slots.get(body.slot), body);
    state.slots.set(body.slot, body);
  } else if (type === 'pending') {
    state.pending = body.pending;
  } else if (type === 'station') {
    state.station = body;
  }
  draw();
}

function offline() {
  if (!state.live) return draw();
  state.live = false;
  state.unit = null;
  if (state.result?.kind === 'passed') state.result = null;
  draw();
}

// The live region speaks what changed on a tile, once.
function announce(before, after) {
  const [was, is] = [before ? faceOf(before) : '', faceOf(after)];
  if (was === is || is === 'working' || is === 'empty') return;
  $('news').textContent = `${say('ui.slot', {slot: after.slot})}: ${wordOf(after, is)}. ${sentenceOf(after, is)}`;
  if (is !== 'free') beep(is === 'passed');
}

async function resume(path) {
  const reply = await call('POST', path, {});
  if (!reply.ok) finish('refused', 'ui.scan.refused', complaint(reply));
  focusField();
}

// ---- scanning: the unit (its code or its slot), then its label

function finish(kind, word, text) {
  const result = (state.result = {kind, word: say(word), text});
  beep(kind !== 'refused');
  drawScan();
  setTimeout(() => {
    if (state.result !== result) return;
    state.result = null;
    drawScan();
  }, kResultMs);
}

// What a scanner or a hand typed: {label} or {unit}, or null.
function read(text) {
  if (/^MM1:/i.test(text)) return {label: text};
  const slot = /^slot:([A-Za-z0-9._-]{1,32})$/i.exec(text);
  if (slot) return {unit: `SLOT:${slot[1]}`};
  const code = /^([a-z][a-z0-9._-]{0,31}):([0-9a-f]{2,128})$/i.exec(text);
  return code ? {unit: `${code[1].toLowerCase()}:${code[2].toLowerCase()}`} : null;
}

async function scanned(text) {
  if (text === '' || state.busy) return;
  const seen = read(text);
  if (!state.live) return finish('refused', 'ui.scan.refused', say('ui.scan.offline'));
  if (state.unit !== null && Date.now() - state.unitAt > kScanPairMs) {
    state.unit = null;
    if (!seen?.unit) return finish('refused', 'ui.scan.refused', say('ui.scan.expired'));
  }
  if (seen === null) return finish('refused', 'ui.scan.refused', say('scan.malformed'));
  if (seen.unit) return unitScanned(seen.unit);
  if (state.unit === null) return finish('refused', 'ui.scan.refused', say('ui.scan.unit_first'));
  await labelScanned(state.unit, seen.label);
}

function unitScanned(unit) {
  Object.assign(state, {unit, unitAt: Date.now(), result: null});
  drawPending();
  drawScan();
}

async function labelScanned(unit, symbol) {
  Object.assign(state, {busy: true, unit: null, result: null});
  drawScan();
  const reply = await call('POST', '/scan', {unit, symbol});
  state.busy = false;
  if (!state.person) return;
  if (!reply.ok) finish('refused', 'ui.scan.refused', complaint(reply));
  else if (!state.live) drawScan();
  else if (reply.body.done === true) finish('passed', 'ui.state.passed', say('ui.scan.passed.do', {serial: reply.body.serial}));
  else finish('applied', 'ui.scan.applied', say('ui.scan.applied.do'));
  drawPending();
}

// ---- keys: a scanner is a keyboard that types anywhere and ends with Enter

function typed(event) {
  if (event.key === 'F2' || event.key === 'F4') {
    event.preventDefault();
    return event.key === 'F2' ? nextLanguage() : toggleSound();
  }
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const field = document.body.dataset.view === 'station' ? $('scan') : $('token');
  if (event.key === 'Escape') clear();
  // The character is still to come: it goes to the field that has the focus by then.
  else if (event.key.length === 1 && event.key !== ' ' && document.activeElement !== field) field.focus();
  else if (event.key === 'Enter' && document.activeElement === document.body) field.form.requestSubmit();
}

function clear() {
  $('scan').value = '';
  Object.assign(state, {unit: null, result: null});
  drawPending();
  drawScan();
  focusField();
}

function submitScan(event) {
  event.preventDefault();
  const text = $('scan').value.trim();
  $('scan').value = '';
  scanned(text);
}

// ---- sound, off until somebody wants it

let audio = null;

function toggleSound() {
  state.sound = !state.sound;
  if (state.sound) audio ??= new AudioContext();
  draw();
}

function beep(good) {
  if (!state.sound || audio === null) return;
  const tone = audio.createOscillator(), level = audio.createGain();
  tone.frequency.value = good ? 1320 : 220;
  level.gain.value = 0.08;
  tone.connect(level).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + (good ? 0.12 : 0.5));
}

// ---- start

async function start() {
  actions.resume = resume;
  $('login-form').addEventListener('submit', signIn);
  $('scan-form').addEventListener('submit', submitScan);
  $('language').addEventListener('click', nextLanguage);
  $('sound').addEventListener('click', toggleSound);
  $('logout').addEventListener('click', signOut);
  document.addEventListener('keydown', typed);
  document.addEventListener('click', (event) => event.target.closest('button, input, a, [tabindex]') ?? focusField());
  window.addEventListener('focus', focusField);
  window.addEventListener('offline', () => retry());
  await speak(firstLanguage());
  state.demo = (await call('GET', '/health')).body.demo === true;
  draw();
  await enter();
}

start();
