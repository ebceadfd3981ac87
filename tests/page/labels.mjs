// labels.mjs DIR [LINK]: what strangers' tools read from the labels in DIR.
//
// Every DIR/<serial>.zpl is rendered by zpl-renderer-js; zbarimg reads the QR code, dmtxread the
// Data Matrix. The QR code must be the label's link: LINK with {serial} replaced (or, without LINK,
// any https:// address), and hold no password; the Data Matrix must be MM1:<serial>:device:<n>.
// --qr FILE: JSON, serial to the QR codes that its label must show, all of them, in place of the rules
// on the link and the password.
// --expect FILE: one serial a line (tab and attempt, else 1): exactly these labels must be there.
// Prints `sweep labels: tried N, violations M`; exits 1 on a violation, 2 when nothing was tried.
import {execFile} from 'node:child_process';
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {basename, join, resolve} from 'node:path';

const kWidthMm = 101.5, kHeightMm = 50.75, kDotsPerMm = 8;
const kBatch = 8, kDecoders = 2;

function options(argv) {
  const out = {directory: null, link: null, expect: null, qr: null};
  for (let i = 0; i < argv.length; ++i) {
    if (argv[i] === '--expect') out.expect = argv[++i];
    else if (argv[i] === '--qr') out.qr = JSON.parse(readFileSync(argv[++i], 'utf8'));
    else if (out.directory === null) out.directory = argv[i];
    else out.link = argv[i];
  }
  if (out.directory === null) {
    console.error('usage: labels.mjs DIR [LINK with {serial}] [--expect FILE] [--qr FILE]');
    process.exit(2);
  }
  return out;
}

function expected(file) {
  if (!file) return null;
  const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => {
    const [serial, attempt] = line.split('\t');
    return [serial, attempt ?? '1'];
  }));
}

// The node_modules beside the tests, wherever a machine keeps them.
function loadRenderer() {
  const home = process.env.MINTMARK_NODE ?? new URL('../node', import.meta.url).pathname;
  return import(createRequire(join(resolve(home), 'package.json')).resolve('zpl-renderer-js'));
}

// zbarimg exits 4 when it found nothing; that is an answer, not an error.
function run(command, args) {
  return new Promise((done, fail) => {
    execFile(command, args, {encoding: 'utf8', maxBuffer: 1 << 24}, (error, stdout) => {
      if (error && typeof error.code !== 'number') fail(new Error(`${command}: ${error.message}`));
      else done(stdout);
    });
  });
}

// One process for many pictures: `<source index='..' href='FILE'>` and then its symbols.
async function readQr(files) {
  const xml = await run('zbarimg', ['--xml', '-q', '-Sdisable', '-Sqrcode.enable', ...files]);
  const out = new Map(files.map((file) => [file, []]));
  for (const source of xml.split('<source ').slice(1)) {
    const file = /href='([^']*)'/.exec(source)?.[1];
    for (const [, data] of source.matchAll(/<data><!\[CDATA\[(.*?)\]\]><\/data>/gs)) out.get(file)?.push(data);
  }
  return out;
}

async function readMatrix(files) {
  const out = new Map();
  for (const file of files) out.set(file, (await run('dmtxread', ['-N1', '-m5000', file])).trim());
  return out;
}

function password(zpl) {
  return /\^FD([A-Z0-9]{4}(?:-[A-Z0-9]{1,4}){2,})\^FS/.exec(zpl)?.[1] ?? null;
}

function judgeCodes(serial, qr, codes, say) {
  const same = JSON.stringify([...qr].sort()) === JSON.stringify([...(codes ?? [])].sort());
  if (!same) say(serial, 'the QR codes are not those of the label');
}

function judge(label, qr, matrix, want, say) {
  if (want.qr) judgeCodes(label.serial, qr, want.qr[label.serial], say);
  else judgeLink(label, qr, matrix, want, say);
  judgeControl(label.serial, matrix, want, say);
}

function judgeControl(serial, matrix, want, say) {
  const attempt = want.serials?.get(serial) ?? (want.serials ? '1' : '[1-9][0-9]*');
  const symbol = new RegExp(`^MM1:${serial.replaceAll('.', '\\.')}:device:${attempt}$`);
  if (!symbol.test(matrix)) say(serial, `the Data Matrix says "${matrix}"`);
}

function judgeLink(label, qr, matrix, want, say) {
  const {serial, zpl} = label;
  const secret = password(zpl);
  if (secret === null) say(serial, 'no password on the label');
  if (qr.length !== 1) return say(serial, `${qr.length} QR codes were read, not one`);
  const link = want.link?.replaceAll('{serial}', serial);
  if (link ? qr[0] !== link : !/^https:\/\/\S+$/.test(qr[0])) say(serial, `the QR code says ${qr[0]}`);
  const canonical = secret?.replaceAll('-', '');
  const leaks = canonical && `${qr[0]} ${matrix}`.replaceAll('-', '').includes(canonical);
  if (leaks) say(serial, 'a symbol holds the password');
}

async function render(api, label, folder) {
  const pages = await api.zplToBase64MultipleAsync(label.zpl, kWidthMm, kHeightMm, kDotsPerMm);
  if (pages.length !== 1) throw new Error(`${pages.length} labels in one file`);
  label.png = join(folder, `${label.serial}.png`);
  writeFileSync(label.png, Buffer.from(pages[0], 'base64'));
}

async function decode(batch, want, say) {
  const files = batch.map((label) => label.png);
  const [qr, matrix] = await Promise.all([readQr(files), readMatrix(files)]);
  for (const label of batch) judge(label, qr.get(label.png), matrix.get(label.png), want, say);
}

async function main() {
  const {directory, link, expect, qr} = options(process.argv.slice(2));
  const want = {link, serials: expected(expect), qr};
  let violations = 0;
  const say = (serial, what) => {
    ++violations;
    console.error(`${serial}: ${what}`);
  };
  const names = readdirSync(directory).filter((name) => /^[A-Z0-9._-]+\.zpl$/.test(name)).sort();
  const labels = names.map((name) => ({serial: basename(name, '.zpl'), zpl: readFileSync(join(directory, name), 'utf8')}));
  const present = new Set(labels.map((label) => label.serial));
  for (const serial of want.serials?.keys() ?? []) if (!present.has(serial)) say(serial, 'no label');
  for (const serial of present) if (want.serials && !want.serials.has(serial)) say(serial, 'not expected');

  const folder = mkdtempSync(join(tmpdir(), 'mintmark-labels-'));
  process.on('exit', () => rmSync(folder, {recursive: true, force: true}));
  const {api} = await (await loadRenderer()).ready;
  const running = new Set();
  let batch = [];
  const flush = async () => {
    if (batch.length === 0) return;
    const job = decode(batch, want, say).finally(() => running.delete(job));
    running.add(job);
    batch = [];
    if (running.size >= kDecoders) await Promise.race(running);
  };
  for (const label of labels) {
    try {
      await render(api, label, folder);
      batch.push(label);
    } catch (error) {
      say(label.serial, `cannot be rendered: ${error.message ?? error}`);
    }
    if (batch.length === kBatch) await flush();
  }
  await flush();
  await Promise.all(running);
  console.log(`sweep labels: tried ${labels.length}, violations ${violations}`);
  return labels.length === 0 ? 2 : violations === 0 ? 0 : 1;
}

process.exit(await main());
