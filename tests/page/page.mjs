// page.mjs URL TOKEN [--idle]: the operator's page of a running station, in a real Chromium.
//
// First the page as it is: sign in by keyboard, live tiles, the station's own refusals, the line cut
// and mended. Then, on the same files from the same station, with the API's answers played by this
// test (a hostile station): every state, text that is markup, the scanner's keys, both languages.
// --idle: nothing moves on that station, so do not wait for a change. MINTMARK_SHOTS: a directory
// for pictures. Prints `sweep page: tried N, violations M`; exits 1 on a violation.
import {accessible, Checks, launch, openPage, picture} from './browser.mjs';
import {gallery} from './gallery.mjs';

const kPolicy = ["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
  "base-uri 'none'", "frame-ancestors 'none'", "form-action 'none'", "require-trusted-types-for 'script'"];

const [base, token, ...flags] = process.argv.slice(2);
if (!base || !token) {
  console.error('usage: page.mjs URL TOKEN [--idle]');
  process.exit(2);
}
const checks = new Checks();

const tilesAre = (names) => JSON.stringify([...document.querySelectorAll('.tile')].map((t) => t.dataset.slot)) === JSON.stringify(names);
const bannerShown = (shown) => document.getElementById('banner').hidden !== shown;
const resultHas = (kind) => document.getElementById('result').dataset.kind === kind;

async function headers(page) {
  const reply = await page.goto(base);
  const policy = (reply.headers()['content-security-policy'] ?? '').split(';').map((part) => part.trim()).filter(Boolean).sort();
  checks.same('the content security policy', policy, [...kPolicy].sort());
  checks.same('nosniff', reply.headers()['x-content-type-options'], 'nosniff');
}

async function signIn(page) {
  await page.waitForSelector('#token:focus');
  await page.keyboard.type('not-a-token\n');
  await checks.soon('a wrong token is refused in words', page, () => document.getElementById('login-error').textContent.length > 10);
  checks.that('the refusal is known', !(await page.textContent('#login-error')).includes('no words'), await page.textContent('#login-error'));
  await picture(page, 'login');
  await page.keyboard.type(`${token}\n`);
  await checks.soon('a token opens the station', page, () => document.body.dataset.view === 'station');
  checks.same('the token is not kept in the field', await page.inputValue('#token'), '');
}

async function liveTiles(page, context) {
  const reply = await context.request.get(new URL('/api/v1/slots', base).href);
  checks.same('the session cookie opens the API', reply.status(), 200);
  const names = (await reply.json()).slots.map((slot) => slot.slot);
  await checks.soon('a tile for every slot', page, tilesAre, names);
  checks.that('there are slots', names.length > 0);
  await checks.soon('no banner while the station is heard', page, bannerShown, false);
  await picture(page, 'live');
  if (flags.includes('--idle')) return;
  const before = await page.locator('#station').innerText();
  await checks.soon('the page moves by itself', page, (old) => document.getElementById('station').innerText !== old, before, 60000);
}

async function realRefusals(page) {
  await page.keyboard.type('hello\n');
  await checks.soon('nonsense is refused', page, resultHas, 'refused');
  await page.keyboard.type('SLOT:no-such-slot\n');
  await page.keyboard.type('MM1:NO-SUCH-SERIAL:device:1\n');
  await checks.soon('the station refuses what it does not know', page, () => {
    const said = document.getElementById('result-text').textContent;
    return document.getElementById('result').dataset.kind === 'refused' && said.length > 20 && !/no words|neither/.test(said);
  });
}

async function cutAndMend(page, context) {
  await context.setOffline(true);
  await checks.soon('a lost line shows', page, bannerShown, true);
  const faces = await page.$$eval('.tile', (tiles) => [...new Set(tiles.map((tile) => tile.dataset.face))]);
  checks.same('no tile claims to know anything', faces, ['unknown']);
  await page.keyboard.type('SLOT:1\n');
  await checks.soon('a scan without a line is refused', page, resultHas, 'refused');
  await picture(page, 'offline');
  await context.setOffline(false);
  await checks.soon('the line mends by itself', page, bannerShown, false, 15000);
  await checks.soon('and the tiles are back', page, () => document.querySelector('.tile:not([data-face="unknown"])') !== null);
}

async function languages(page) {
  for (const [language, word] of [['de', 'Etiketten zu scannen'], ['en', 'Labels to scan']]) {
    await page.keyboard.press('F2');
    await checks.soon(`F2 gives ${language}`, page, (code) => document.documentElement.lang === code, language);
    checks.that(`${language} is spoken`, (await page.textContent('#pending-title')).includes(word));
  }
  await page.goto(new URL('/?lang=de', base).href);
  await checks.soon('?lang=de', page, () => document.documentElement.lang === 'de' && document.body.dataset.view === 'station');
}

async function signOut(page, context) {
  await page.click('#logout');
  await checks.soon('signed out', page, () => document.body.dataset.view === 'login');
  checks.same('no tile is left in the page', await page.locator('.tile').count(), 0);
  const reply = await context.request.get(new URL('/api/v1/slots', base).href);
  checks.same('and the API is shut', reply.status(), 401);
}

async function live(browser) {
  const {page, context, finish} = await openPage(browser, base, checks);
  await headers(page);
  await signIn(page);
  await liveTiles(page, context);
  await realRefusals(page);
  await cutAndMend(page, context);
  await languages(page);
  await signOut(page, context);
  await finish('live');
}

// axe is a script from outside, so it looks at a page without the policy.
async function liveAccessible(browser) {
  const {page, context} = await openPage(browser, base, checks, {bypassCSP: true});
  await page.goto(base);
  await page.waitForSelector('#token:focus');
  await accessible(checks, page, 'login');
  await page.keyboard.type(`${token}\n`);
  await page.waitForSelector('.tile');
  await accessible(checks, page, 'live');
  await context.close();
}

const browser = await launch();
try {
  await live(browser);
  await liveAccessible(browser);
  await gallery(browser, base, checks);
} catch (error) {
  checks.that(`the test itself: ${error.stack}`, false);
} finally {
  await browser.close();
}
console.log(`sweep page: tried ${checks.tried}, violations ${checks.violations}`);
process.exit(checks.violations === 0 ? 0 : 1);
