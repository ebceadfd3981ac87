// What the page tests share: a real Chromium, a list of checks, and a watch over what a page does.
import {mkdirSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join, resolve} from 'node:path';

// The node_modules beside the tests, wherever a machine keeps them.
const home = process.env.MINTMARK_NODE ?? new URL('../node', import.meta.url).pathname;
const require = createRequire(join(resolve(home), 'package.json'));
export const axeSource = require('axe-core').source;
const {chromium} = require('playwright-core');

export const launch = () =>
  chromium.launch({executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage']});

export class Checks {
  tried = 0;
  violations = 0;

  that(what, holds, seen = '') {
    ++this.tried;
    if (holds) return;
    ++this.violations;
    console.error(`page: ${what}${seen === '' ? '' : `: ${JSON.stringify(seen)}`}`);
  }

  same(what, seen, wanted) {
    this.that(what, JSON.stringify(seen) === JSON.stringify(wanted), {seen, wanted});
  }

  // Waits until `holds` says so inside the page; a time-out is a violation, not an exception.
  async soon(what, page, holds, argument, timeout = 8000) {
    const done = await page.waitForFunction(holds, argument, {timeout}).then(() => true, () => false);
    this.that(what, done, done ? '' : await page.locator('body').innerText().catch(() => ''));
    return done;
  }
}

// Opens a page that tells on itself: CSP violations, script errors, requests to anywhere else.
export async function openPage(browser, base, checks, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 800}, ignoreHTTPSErrors: true, locale: 'en-GB', ...options});
  const page = await context.newPage();
  const told = [];
  await page.exposeFunction('tellCsp', (text) => told.push(`CSP: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => window.tellCsp(`${event.violatedDirective} ${event.blockedURI}`));
  });
  page.on('pageerror', (error) => told.push(`script: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedHTML/i.test(message.text())) told.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(base).origin) told.push(`request: ${request.url()}`);
  });
  const finish = async (name) => {
    checks.same(`${name}: no policy violation, script error or foreign request`, told, []);
    await context.close();
  };
  return {page, context, finish};
}

export async function accessible(checks, page, name) {
  const found = await page.evaluate(async (source) => {
    new Function(source)();
    const result = await window.axe.run(document, {resultTypes: ['violations']});
    return result.violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`);
  }, axeSource);
  checks.same(`${name}: axe finds nothing serious`, found, []);
}

export async function picture(page, name) {
  const folder = process.env.MINTMARK_SHOTS;
  if (!folder) return;
  mkdirSync(folder, {recursive: true});
  await page.screenshot({path: join(folder, `${name}.png`)});
}
