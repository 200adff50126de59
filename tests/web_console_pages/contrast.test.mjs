// Text on its ground is WCAG 2.2 AA (4.5 to 1) in both themes, as css/base.css defines them.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const css = await readFile(new URL('../../web_console/static/css/base.css', import.meta.url), 'utf8');

/** @param {string} theme */
function tokens(theme) {
  const block = css.split(`:root[data-theme="${theme}"] {`)[1].split('}')[0];
  return Object.fromEntries([...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)]
    .map(([, name, colour]) => [name, colour]));
}

/** Relative luminance (WCAG 2.2). */
function luminance(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

for (const theme of ['dark', 'light']) {
  test(`${theme}: text can be read on every ground it stands on`, () => {
    const c = tokens(theme);
    const texts = ['text', 'soft', 'faint', 'accent', 'good', 'warn', 'bad', 's-free', 's-way',
      's-scene', 's-hosp'];
    const pairs = texts.flatMap((name) => ['ground', 'panel', 'raised', 'hover'].map((g) => [name, g]));
    pairs.push(['on-accent', 'accent'], ['on-accent', 'accent-over'], ['on-bad', 'bad'],
      ['on-bad', 'bad-over'], ['on-p', 'p1'], ['on-p', 'p2'], ['on-p', 'p3'],
      ['on-p', 'p4'], ['warn', 'warn-ground'], ['text', 'warn-ground'],
      ['text', 'bad-ground'], ['bad', 'bad-ground'], ['faint', 'warn-ground'], ['text', 'field'], ['faint', 'field'], ['ex-a', 'ex-b']);
    const poor = pairs.map(([text, ground]) => [text, ground, contrast(c[text], c[ground])])
      .filter(([, , ratio]) => !(ratio >= 4.5));
    assert.deepEqual(poor, []);
  });
}
