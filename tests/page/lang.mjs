// lang.mjs [ROOT]: the language tables are whole.
//
// Every table in station/page/lang has the same keys with the same placeholders, no empty sentence
// and no markup; every fault code of the sources (station/words/fault.cpp and each Fault("...")) and
// every ui word that the page asks for has a sentence; no ui word is left over. Plain Node.
import {readdirSync, readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';

const root = process.argv[2] ?? new URL('../..', import.meta.url).pathname;
const folder = join(root, 'station/page/lang');
let violations = 0;
const say = (what) => {
  ++violations;
  console.error(what);
};

function sources(directory, pattern) {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) return sources(path, pattern);
    return pattern.test(name) ? [path] : [];
  });
}

function codesOfSources() {
  const codes = new Map();
  const take = (file, expression) => {
    for (const [, code] of readFileSync(file, 'utf8').matchAll(expression)) codes.set(code, file);
  };
  take(join(root, 'station/words/fault.cpp'), /"([a-z_]+\.[a-z_]+)"/g);
  for (const part of ['station', 'hsm', 'fixtures'])
    for (const file of sources(join(root, part), /\.[ch]pp$/)) take(file, /\bFault\("([a-z_]+\.[a-z_]+)"/g);
  return codes;
}

// Words of the page: 'ui.…' in quotes or behind data-text, and the families that end in a variable.
function wordsOfPage() {
  const text = sources(join(root, 'station/page'), /\.(js|html)$/).map((file) => readFileSync(file, 'utf8')).join('');
  const whole = [...text.matchAll(/['"](ui\.[a-z_.]*[a-z_])['"]/g)].map(([, word]) => word);
  const families = [...text.matchAll(/`(ui\.[a-z_.]*\.)\$\{/g)].map(([, stem]) => stem);
  return {whole: new Set(whole), families: new Set(families)};
}

const placeholders = (sentence) => [...new Set(sentence.match(/\{[a-z_]+\}/g) ?? [])].sort().join(' ');

const tables = new Map(readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => [name, JSON.parse(readFileSync(join(folder, name), 'utf8'))]));
const english = tables.get('en.json') ?? {};
const {whole, families} = wordsOfPage();
const codes = codesOfSources();
let tried = 0;

if (tables.size < 2) say('there must be two languages or more');
for (const [name, table] of tables) {
  for (const key of Object.keys(english)) if (!(key in table)) say(`${name}: ${key} is missing`);
  for (const [key, sentence] of Object.entries(table)) {
    ++tried;
    if (!(key in english)) say(`${name}: ${key} is not in en.json`);
    else if (placeholders(sentence) !== placeholders(english[key])) say(`${name}: ${key}: other placeholders than en.json`);
    if (typeof sentence !== 'string' || sentence.trim() === '') say(`${name}: ${key} is empty`);
    if (/[<>&|]/.test(sentence)) say(`${name}: ${key} holds markup`);
    if (!key.startsWith('ui.') && !/[.!]$/.test(sentence)) say(`${name}: ${key} is not a sentence`);
  }
}
for (const [code, file] of codes) if (!(code in english)) say(`no sentence for ${code} (${file.slice(root.length)})`);
for (const word of whole) if (!(word in english)) say(`the page asks for ${word}`);
for (const key of Object.keys(english).filter((k) => k.startsWith('ui.')))
  if (!whole.has(key) && ![...families].some((stem) => key.startsWith(stem))) say(`nobody asks for ${key}`);

console.log(`sweep lang: tried ${tried + codes.size}, violations ${violations}`);
process.exit(violations === 0 && tried > 0 && codes.size > 40 ? 0 : 1);
