// The catalogues have the same keys and places, and every key that a page uses is in them.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';

import { en } from '../../web_console/static/i18n/en.js';
import { zh } from '../../web_console/static/i18n/zh.js';

const STATIC = new URL('../../web_console/static/', import.meta.url);

/** Sources of all pages, the catalogues themselves left out. */
async function sources() {
  const names = (await readdir(STATIC, { recursive: true }))
    .filter((name) => name.endsWith('.js') && !name.startsWith('i18n/'));
  return Promise.all(names.map(async (name) => [name, await readFile(new URL(name, STATIC), 'utf8')]));
}

test('both languages have the same keys, none empty', () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const [key, text] of [...Object.entries(zh), ...Object.entries(en)]) {
    assert.ok(text.trim(), `${key} is empty`);
  }
});

test('both languages fill in the same places', () => {
  const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
  for (const key of Object.keys(zh)) assert.deepEqual(places(zh[key]), places(en[key]), key);
});

test('every key that a page names is in the catalogue', async () => {
  for (const [name, text] of await sources()) {
    for (const [, key] of text.matchAll(/\bt\('([a-z_]+\.[^'$]+)'/g)) {
      assert.ok(key in en, `${name} asks for ${key}`);
    }
  }
});

test('no page has Chinese text outside the catalogue', async () => {
  for (const [name, text] of await sources()) {
    const code = text.replace(/\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');
    // One sign a unit kind on the map, and the name of the other language on its switch.
    if (name === 'console/marks.js') continue;
    assert.deepEqual(code.match(/[\u4e00-\u9fff]{2,}/g), null, name);
  }
});
