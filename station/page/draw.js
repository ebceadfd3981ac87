// What the page knows and how it is drawn: textContent only, never markup, so that whatever a unit,
// an order or a product is called stays text.

export const kSteps = ['identify', 'reserve', 'enrol', 'mint', 'inject', 'prove', 'reset_check', 'lock', 'label', 'scan', 'done'];
export const kLanguages = ['en', 'de'];
const kTurnMs = 1600;  // page.css, turn
const kFaces = ['empty', 'working', 'free', 'passed', 'retry', 'rework', 'quarantine', 'abandoned', 'paused', 'trouble'];

export const state = {
  words: {}, language: 'en', person: null, demo: false, sound: false,
  live: false, slots: new Map(), pending: [], station: null,
  unit: null, unitAt: 0, busy: false, result: null,
};

// What a button does, given by page.js: this file only draws.
export const actions = {resume: () => {}};

export const $ = (id) => document.getElementById(id);

// ---- words

export function say(key, args = {}) {
  const sentence = Object.hasOwn(state.words, key) ? state.words[key] : null;
  if (sentence === null) return key.startsWith('ui.') ? key : say('ui.unknown_code', {code: key});
  return sentence.replace(/\{([a-z_]+)\}/g, (_, name) => (Object.hasOwn(args, name) ? String(args[name]) : '…'));
}

export async function speak(language) {
  const reply = await fetch(`/lang/${language}.json`);
  if (!reply.ok) throw new Error(`no words in ${language}`);
  state.words = await reply.json();
  state.language = language;
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = say(element.dataset.text);
  draw();
}

// ---- small tools

function element(tag, name, text) {
  const out = document.createElement(tag);
  if (name) out.className = name;
  if (text !== undefined) out.textContent = text;
  return out;
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.style.setProperty('animation-delay', `${-(performance.now() % kTurnMs)}ms`);  // a rebuilt one turns on
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

function button(text, act) {
  const out = element('button', '', text);
  out.type = 'button';
  out.addEventListener('click', act);
  return out;
}

const has = (role) => state.person?.roles?.includes(role) ?? false;
const percent = (part, whole) => (whole > 0 ? Math.min(100, Math.max(0, (100 * part) / whole)) : 0);

// Puts `items` into `list`, building only what changed: what stays keeps its focus and its motion.
const drawn = new Map();

function fill(list, items, build) {
  const before = drawn.get(list) ?? new Map(), after = new Map();
  for (const item of items) {
    const key = JSON.stringify([state.language, state.live, state.person?.roles, state.unit, item]);
    after.set(key, before.get(key) ?? build(item));
  }
  const kept = new Set(after.values());
  [...kept].forEach((node, i) => {
    const there = list.children[i];
    if (there === node) return;
    if (there && !kept.has(there)) there.replaceWith(node);
    else list.insertBefore(node, there ?? null);
  });
  while (list.children.length > kept.size) list.lastElementChild.remove();
  drawn.set(list, after);
}

// A list that says so when it is empty.
function fillOr(list, items, build, otherwise) {
  if (items.length > 0) fill(list, items, build);
  else fill(list, otherwise === null ? [] : [otherwise], (key) => element('li', 'none', say(key)));
}

// ---- drawing

export function draw() {
  const view = state.station;
  document.title = view?.lots?.length ? `${view.lots[0].passed}/${view.lots[0].quantity} · Mintmark` : say('ui.title');
  $('ribbon').hidden = !(state.demo || view?.demo);
  $('language').lang = state.language === 'en' ? 'de' : 'en';
  $('sound').textContent = say(state.sound ? 'ui.sound.on' : 'ui.sound.off');
  $('sound').setAttribute('aria-pressed', String(state.sound));
  $('person').textContent = state.person?.name ?? '';
  $('rate').textContent = state.live ? String(Math.round(view?.units_per_hour ?? 0)) : '–';
  drawBanner();
  drawLots();
  drawTiles();
  drawPending();
  drawScan();
}

function drawBanner() {
  let banner = null;
  if (!state.live) banner = ['ui.offline.title', say('ui.offline.do')];
  else if (state.station?.stopped) banner = ['ui.stopped.title', say(state.station.stopped)];
  else if (state.station?.token === 'away') banner = ['ui.token.away', say(state.station.token_code ?? 'token.away')];
  $('banner').hidden = banner === null;
  if (banner === null || $('banner-text').textContent === banner[1]) return;
  $('banner-word').textContent = say(banner[0]);
  $('banner-text').textContent = banner[1];
}

function drawLots() {
  const lots = state.station?.lots ?? [];
  const shown = lots.length > 2 ? [...lots.slice(0, 2), {more: lots.length - 2}] : lots;
  fillOr($('lots'), shown, lotCard, state.live ? 'ui.lots.none' : null);
}

function lotCard(lot) {
  if (lot.more) return element('li', 'more', say('ui.lot.more', {n: lot.more}));
  const card = element('li', 'lot');
  const numbers = element('p', 'numbers');
  numbers.append(element('strong', '', String(lot.passed)), ` ${say('ui.lot.passed', {quantity: lot.quantity})}`);
  const bar = element('div', 'bar');
  bar.append(element('i'));
  bar.firstChild.style.setProperty('width', `${percent(lot.passed, lot.quantity)}%`);
  const words = element('p', 'quiet');
  words.append(element('b', '', lot.product), ` · ${say('ui.lot.open', {open: lot.open})} · ${say('ui.lot.other', {other: lot.other})}`);
  card.append(numbers, bar, words);
  if (lot.state === 'open') return card;
  card.append(element('p', 'error', lot.code ? say(lot.code, lot.args) : say(`ui.lot.state.${lot.state === 'closed' ? 'closed' : 'paused'}`)));
  if (lot.state === 'paused' && has('lead')) card.append(button(say('ui.lot.resume'), () => actions.resume(`/lots/${encodeURIComponent(lot.lot)}/resume`)));
  return card;
}

// The one word of a tile: its state, or how it ended. Never a PASS that is not live.
export function faceOf(slot) {
  if (!state.live) return 'unknown';
  const face = slot.state === 'ended' ? slot.ending : slot.state;
  return kFaces.includes(face) ? face : 'unknown';
}

function drawTiles() {
  const slots = [...state.slots.values()];
  $('tiles').dataset.count = String(Math.min(slots.length, 9));
  fillOr($('tiles'), slots, tile, state.live ? 'ui.slots.none' : null);
}

function tile(slot) {
  const face = faceOf(slot);
  const out = element('li', 'tile');
  out.dataset.face = face;
  out.dataset.slot = slot.slot;
  const head = element('h3', 'head');
  head.append(element('span', 'number', slot.slot), element('span', 'hidden', say('ui.slot', {slot: slot.slot})));
  head.append(element('span', 'serial', slot.serial ?? slot.hardware ?? ''));
  if (slot.attempt > 1 && ['working', 'retry'].includes(face)) head.append(element('span', 'attempt', say('ui.attempt', {attempt: slot.attempt, max: slot.max_attempts})));
  const face_row = element('p', 'face');
  face_row.append(icon(face), element('strong', '', wordOf(slot, face)));
  out.append(head, face_row, element('p', 'do', sentenceOf(slot, face)));
  if (face === 'working') out.append(steps(slot));
  if (face === 'paused' && slot.code === 'slot.three_in_a_row' && has('lead')) out.append(button(say('ui.slot.resume'), () => actions.resume(`/slots/${encodeURIComponent(slot.slot)}/resume`)));
  return out;
}

export function wordOf(slot, face) {
  return face === 'working' && kSteps.includes(slot.step) ? say(`ui.step.${slot.step}`) : say(`ui.state.${face === 'working' ? 'unknown' : face}`);
}

export function sentenceOf(slot, face) {
  if (face === 'unknown' && state.live) return say('ui.unknown_code', {code: slot.ending ?? slot.state});
  const own = slot.code && face !== 'unknown' && face !== 'passed' && face !== 'empty';
  return own ? say(slot.code, slot.args ?? {}) : say(`ui.do.${face}`);
}

function steps(slot) {
  const at = kSteps.indexOf(slot.step);
  const out = element('div', 'steps');
  const list = element('ol', 'track');
  list.setAttribute('aria-label', say('ui.progress', {n: at + 1, of: kSteps.length}));
  kSteps.forEach((step, i) => {
    const item = element('li', i < at ? 'past' : i === at ? 'now' : '');
    item.append(element('span', '', say(`ui.step.${step}`)));
    if (i === at) item.setAttribute('aria-current', 'step');
    list.append(item);
  });
  const bar = element('div', 'bar');
  bar.append(element('i'));
  bar.firstChild.style.setProperty('width', `${percent(slot.progress, 100)}%`);
  const foot = element('p', 'quiet');
  foot.append(element('span', '', say('ui.progress', {n: at + 1, of: kSteps.length})), element('span', '', `${Math.round(slot.progress)} %`));
  out.append(list, bar, foot);
  return out;
}

export function drawPending() {
  $('pending-count').textContent = String(state.pending.length);
  fillOr($('pending'), state.pending, pendingCard, 'ui.pending.none');
}

function pendingCard(label) {
  const item = element('li', 'label');
  if (state.unit !== null && isUnit(label, state.unit)) item.dataset.now = '';
  const head = element('p', 'head');
  head.append(element('b', 'serial', label.serial));
  if (label.slot !== null) head.append(element('span', 'number', label.slot));
  const about = [say('ui.pending.place', {place: label.place})];
  if (label.attempt > 1) about.push(say('ui.pending.attempt', {attempt: label.attempt}));
  item.append(head, element('p', 'quiet', about.join(' · ')), element('p', 'hardware', label.hardware));
  if (label.uncertain) item.append(element('p', 'error', say('ui.pending.uncertain')));
  return item;
}

const isUnit = (label, unit) => label.hardware === unit || (label.slot !== null && `SLOT:${label.slot}` === unit);

export function drawScan() {
  const second = state.unit !== null;
  $('prompt').textContent = say(state.busy ? 'ui.scan.busy' : second ? 'ui.scan.label' : 'ui.scan.unit');
  $('stage-unit').dataset.stage = second ? 'done' : 'now';
  $('stage-label').dataset.stage = second ? 'now' : 'next';
  for (const [id, now] of [['stage-unit', !second], ['stage-label', second]])
    if (now) $(id).setAttribute('aria-current', 'step');
    else $(id).removeAttribute('aria-current');
  $('scan-unit').textContent = second ? say('ui.scan.unit_is', {unit: state.unit}) : '';
  const result = state.result ?? {kind: 'ready', word: say('ui.scan.ready'), text: ''};
  $('result').dataset.kind = result.kind;
  if ($('result-word').textContent === result.word && $('result-text').textContent === result.text) return;
  $('result-icon').setAttribute('href', `#i-${result.kind}`);
  $('result-word').textContent = result.word;
  $('result-text').textContent = result.text;
}

