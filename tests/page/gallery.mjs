// The station's own page with a scripted station behind it: states that a healthy line does not
// show, names that are markup, and every key a scanner sends.
import {readFileSync} from 'node:fs';

import {accessible, openPage, picture} from './browser.mjs';

const kMarkup = `<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>"'&{serial}`;
const words = (language) => JSON.parse(readFileSync(new URL(`../../station/page/lang/${language}.json`, import.meta.url), 'utf8'));

const slot = (name, rest) => ({
  slot: name, port: '/dev/ttyS0', state: 'empty', step: null, progress: 0, serial: null, run: null, hardware: null, ending: null,
  code: null, args: {}, attempt: 1, max_attempts: 3, since: '2026-01-31T12:00:00Z', ...rest,
});
const label = (rest) => ({
  run: '0192', serial: 'HUB-000127', place: 'device', attempt: 1, symbol: 'MM1:HUB-000127:device:1', hardware: 'demo-otp:0011aa03', slot: null,
  uncertain: false, ...rest,
});

const kFaces = [
  slot('1', {}),
  slot('2', {state: 'working', step: 'reset_check', progress: 62, serial: 'HUB-000129', hardware: 'demo-otp:0011aa01', attempt: 2}),
  slot('3', {state: 'free', step: 'label', serial: 'HUB-000127', hardware: 'demo-otp:0011aa03'}),
  slot('4', {state: 'ended', ending: 'passed', step: 'done', progress: 100, serial: 'HUB-000128', code: null}),
  slot('5', {state: 'ended', ending: 'retry', code: 'contact.lost', attempt: 2}),
  slot('6', {state: 'ended', ending: 'rework', code: 'unit.old_firmware'}),
  slot('7', {state: 'ended', ending: 'quarantine', code: 'login.default_accepted', serial: 'HUB-000126'}),
  slot('8', {state: 'paused', code: 'slot.three_in_a_row'}),
  slot('9', {state: 'trouble', code: 'port.busy'}),
];
const kFaceNames = ['empty', 'working', 'free', 'passed', 'retry', 'rework', 'quarantine', 'paused', 'trouble'];

// Answers the API's part of every request of one page; `script` may be changed between looks.
async function play(page, script) {
  script.calls = [];
  await page.route('**/api/v1/**', async (route) => {
    const request = route.request(), path = new URL(request.url()).pathname.replace('/api/v1', '');
    const json = (status, body) => route.fulfill({status, contentType: 'application/json', body: JSON.stringify(body)});
    if (request.method() === 'POST') script.calls.push([path, request.postDataJSON()]);
    if (path === '/health') return json(200, {status: 'ok', demo: true});
    if (path === '/session') return json(200, {name: script.name ?? 'maria', roles: script.roles ?? ['operator', 'lead']});
    if (path === '/scan') return json(...script.scan);
    if (path !== '/events') return json(200, {});
    if (script.silent) return route.abort();
    const body = {event: 1, slots: script.slots, pending: script.pending, station: script.station};
    return route.fulfill({status: 200, contentType: 'text/event-stream', body: `: hello\n\nid: 1\nevent: snapshot\ndata: ${JSON.stringify(body)}\n\n`});
  });
}

const plain = () => ({
  slots: kFaces, pending: [label({slot: '3'}), label({run: '0193', serial: 'HUB-000121', hardware: 'demo-otp:0011aa97', attempt: 2, uncertain: true})],
  station: {lots: [{lot: 'l1', product: 'Acme Hub 3', state: 'open', quantity: 200, passed: 124, open: 3, other: 2}], stopped: null, token: 'ok', units_per_hour: 212, demo: true},
  scan: [200, {run: '0192', serial: 'HUB-000127', place: 'device', attempt: 1, state: 'applied', done: true}],
});

async function faces(browser, base, checks, language) {
  const {page, finish} = await openPage(browser, base, checks);
  const script = plain(), table = words(language);
  await play(page, script);
  await page.goto(new URL(`/?lang=${language}`, base).href);
  await page.waitForSelector('.tile');
  const seen = await page.$$eval('.tile', (tiles) => tiles.map((t) => [t.dataset.face, t.querySelector('.face strong').textContent, t.querySelector('.do').textContent, t.querySelector('use').getAttribute('href')]));
  const wanted = kFaces.map((s, i) => {
    const face = kFaceNames[i], word = face === 'working' ? table['ui.step.reset_check'] : table[`ui.state.${face}`];
    return [face, word, s.code ? table[s.code] : table[`ui.do.${face}`], `#i-${face}`];
  });
  checks.same(`${language}: each state has its word, its sentence and its shape`, seen, wanted);
  checks.same(`${language}: as many shapes as states`, new Set(seen.map((s) => s[3])).size, kFaces.length);
  checks.same(`${language}: lang`, await page.getAttribute('html', 'lang'), language);
  checks.that(`${language}: counters`, /124/.test(await page.textContent('#lots')) && (await page.textContent('#rate')) === '212');
  await picture(page, `gallery-${language}`);
  for (const count of [4, 9]) await longSentences(page, script, table, checks, language, count);
  await finish(`faces ${language}`);
}

// Slots with the longest sentences that a unit can get: nothing is cut off at 1280 x 800.
async function longSentences(page, script, table, checks, language, count) {
  const codes = Object.keys(table).filter((key) => /^(contact|unit|reset|hwid|login|lock|prove|label|lot)\./.test(key));
  const longest = codes.sort((a, b) => table[b].length - table[a].length).slice(0, count);
  script.slots = longest.map((code, i) => slot(String(i + 1), {state: 'ended', ending: 'quarantine', serial: 'W'.repeat(32), code, args: {reason: 'x'.repeat(30)}}));
  await checks.soon(`${language}: ${count} tiles`, page, (wanted) => document.querySelectorAll('.tile .do').length === wanted && document.querySelector('.tile .serial').textContent.startsWith('WW'), count);
  const cut = await page.$$eval('.tile', (tiles) => tiles.filter((t) => t.scrollHeight > t.clientHeight + 1).map((t) => t.textContent));
  checks.same(`${language}: no sentence is cut off`, cut, []);
  const fits = await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth);
  checks.that(`${language}: the page fits 1280 x 800`, fits);
  await picture(page, `longest-${count}-${language}`);
}

async function hostileText(browser, base, checks) {
  const {page, finish} = await openPage(browser, base, checks);
  const script = plain();
  Object.assign(script, {name: kMarkup, scan: [409, {code: kMarkup, args: {serial: kMarkup}}]});
  script.slots = [
    slot(kMarkup, {state: 'ended', ending: 'quarantine', code: 'label.sink', args: {reason: kMarkup}, serial: kMarkup}),
    slot('2', {state: kMarkup, code: '__proto__', serial: 'constructor', hardware: kMarkup}),
    slot('3', {state: 'working', step: kMarkup, progress: '1;}*{display:none'}),
    slot('4', {state: 'ended', ending: 'passed" x="', code: kMarkup}),
  ];
  script.pending = [label({serial: kMarkup, place: kMarkup, hardware: kMarkup, slot: kMarkup})];
  script.station.lots = [{lot: kMarkup, product: kMarkup, state: 'paused', quantity: 1, passed: 0, open: 0, other: 0, code: kMarkup}];
  await play(page, script);
  await page.goto(base);
  await page.waitForSelector('.tile');
  await page.keyboard.type('SLOT:3\n');
  await page.keyboard.type('MM1:X:device:1\n');
  await checks.soon('a hostile refusal is shown', page, () => document.getElementById('result').dataset.kind === 'refused');
  const text = await page.locator('#station').innerText();
  checks.that('markup is shown as text', text.split(kMarkup).length > 6, text);
  checks.same('markup made no element', await page.locator('img, script:not([src]), iframe, [onerror]').count(), 0);
  checks.same('nothing ran', await page.evaluate(() => window.pwned ?? null), null);
  checks.same('an ending that nobody knows is no PASS', await page.locator('[data-face="passed"]').count(), 0);
  await picture(page, 'hostile');
  await finish('hostile text');
}

async function scanner(browser, base, checks) {
  const {page, finish} = await openPage(browser, base, checks);
  const script = plain(), english = words('en');
  await play(page, script);
  await page.goto(base);
  await page.waitForSelector('.tile');
  const scan = async (text) => page.keyboard.type(`${text}\n`);
  const scans = () => script.calls.filter(([path]) => path === '/scan').map(([, body]) => body);
  const says = (key) => checks.soon(`says ${key}`, page, (sentence) => document.getElementById('result-text').textContent === sentence, english[key]);
  checks.same('the field has the focus', await page.evaluate(() => document.activeElement.id), 'scan');

  await scan('MM1:HUB-000127:device:1');
  await says('ui.scan.unit_first');
  await scan('hello');
  await says('scan.malformed');
  checks.same('nothing was sent yet', scans(), []);

  await page.evaluate(() => document.activeElement.blur());
  await scan('SLOT:1');
  await page.focus('#language');
  await scan('DEMO-OTP:0011AA97');
  await checks.soon('the unit scanned last counts, and its label is marked', page, () => document.querySelector('.label[data-now] .serial')?.textContent === 'HUB-000121');
  checks.same('it asks for the label', await page.textContent('#prompt'), english['ui.scan.label']);
  await page.focus('#pending');
  await scan('MM1:HUB-000127:device:1');
  await checks.soon('PASS is shown', page, (word) => document.getElementById('result-word').textContent === word, english['ui.state.passed']);
  checks.same('exactly what was scanned was sent', scans(), [{unit: 'demo-otp:0011aa97', symbol: 'MM1:HUB-000127:device:1'}]);
  checks.same('it asks for a unit again', await page.textContent('#prompt'), english['ui.scan.unit']);
  await picture(page, 'pass');

  await scan('SLOT:3');
  await page.keyboard.type('half a co');
  await page.keyboard.press('Escape');
  checks.same('Escape clears the field', await page.inputValue('#scan'), '');
  checks.same('and forgets the unit', await page.textContent('#prompt'), english['ui.scan.unit']);

  script.scan = [409, {code: 'scan.other_unit', args: {serial: 'HUB-000121'}}];
  await scan('SLOT:3');
  await scan('MM1:HUB-000121:device:1');
  await says('scan.other_unit');
  checks.same('a refusal is no PASS', await page.getAttribute('#result', 'data-kind'), 'refused');
  script.scan = [200, {...plain().scan[1], done: false}];
  await scan('SLOT:3');
  await scan('MM1:HUB-000127:box:1');
  await says('ui.scan.applied.do');
  await finish('scanner');
}

async function keyboardOnly(browser, base, checks) {
  const {page, finish} = await openPage(browser, base, checks);
  const script = plain();
  await play(page, script);
  await page.goto(base);
  await page.waitForSelector('.tile');
  const reached = new Set();
  for (let i = 0; i < 14; ++i) {
    await page.keyboard.press('Tab');
    const [id, outline] = await page.evaluate(() => {
      const at = document.activeElement;
      return [at.id || at.textContent, getComputedStyle(at).outlineStyle];
    });
    if (id !== '' && outline === 'none' && id.length < 40) checks.that(`the focus shows on ${id}`, false);
    reached.add(id);
    if (id === words('en')['ui.slot.resume']) {
      await page.keyboard.press('Enter');
      break;
    }
  }
  for (const id of ['language', 'sound', 'logout', words('en')['ui.slot.resume']]) checks.that(`Tab reaches ${id}`, reached.has(id), [...reached]);
  await checks.soon('after a button the field has the focus', page, () => document.activeElement.id === 'scan');
  checks.same('the button did it', script.calls, [['/slots/8/resume', {}]]);
  script.roles = ['operator'];
  await page.reload();
  await page.waitForSelector('.tile');
  checks.same('an operator has no lead button', await page.locator('.tile button').count(), 0);
  await finish('keyboard only');
}

async function troubles(browser, base, checks) {
  const {page, finish} = await openPage(browser, base, checks);
  const script = plain();
  await play(page, script);
  await page.goto(base);
  await page.waitForSelector('[data-face="passed"]');
  script.station = {...script.station, stopped: 'rng.duplicate'};
  await checks.soon('a stopped station says so', page, (text) => document.getElementById('banner-text').textContent === text, words('en')['rng.duplicate']);
  script.station = {...script.station, stopped: null, token: 'away'};
  await checks.soon('a missing token says so', page, (text) => document.getElementById('banner-text').textContent === text, words('en')['token.away']);
  await page.keyboard.type('SLOT:3\nMM1:HUB-000127:device:1\n');
  await checks.soon('a PASS is up', page, () => document.getElementById('result').dataset.kind === 'passed');
  script.silent = true;
  await checks.soon('a silent station says so', page, (text) => document.getElementById('banner-text').textContent === text, words('en')['ui.offline.do']);
  const pass = await page.evaluate((word) => [...document.querySelectorAll('.face strong, #result-word')].filter((e) => e.textContent === word).length, words('en')['ui.state.passed']);
  checks.same('no PASS stays up without a line', pass, 0);
  script.silent = false;
  await checks.soon('it comes back', page, () => document.querySelector('[data-face="passed"]') !== null, undefined, 15000);
  await finish('troubles');
}

async function accessibleFaces(browser, base, checks) {
  for (const language of ['en', 'de']) {
    const {page, context} = await openPage(browser, base, checks, {bypassCSP: true});
    await play(page, plain());
    await page.goto(new URL(`/?lang=${language}`, base).href);
    await page.waitForSelector('.tile');
    await page.keyboard.type('SLOT:3\n');
    await accessible(checks, page, `gallery ${language}`);
    await page.keyboard.type('SLOT:3\n');   // that took a while on a busy machine, and the page forgets a slot
    await page.keyboard.type('MM1:HUB-000127:device:1\n');
    await page.waitForSelector('#result[data-kind="passed"]');
    await accessible(checks, page, `pass ${language}`);
    const devtools = await context.newCDPSession(page);
    await devtools.send('Emulation.setEmulatedVisionDeficiency', {type: 'achromatopsia'});
    await picture(page, `grey-${language}`);
    await context.close();
  }
}

export async function gallery(browser, base, checks) {
  for (const language of ['en', 'de']) await faces(browser, base, checks, language);
  await hostileText(browser, base, checks);
  await scanner(browser, base, checks);
  await keyboardOnly(browser, base, checks);
  await troubles(browser, base, checks);
  await accessibleFaces(browser, base, checks);
}
