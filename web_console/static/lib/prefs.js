// Language, theme and sound of this browser: kept in local storage, applied to the document.

import { createStore, useStore } from './store.js';

/** @typedef {{lang: import('../types.js').Lang, theme: 'dark' | 'light', cells: boolean,
 *   muted: boolean}} Prefs */

const LANG = 'gridcommand.lang';
const THEME = 'gridcommand.theme';
const CELLS = 'gridcommand.cells';
const MUTED = 'gridcommand.muted';

/** @param {string} key */
function kept(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

/** @returns {import('../types.js').Lang} */
function firstLang() {
  const choice = kept(LANG) ?? document.documentElement.lang;
  if (choice.startsWith('zh')) return 'zh';
  if (choice.startsWith('en')) return 'en';
  return navigator.language.startsWith('zh') ? 'zh' : 'en';
}

/** @type {import('./store.js').Store<Prefs>} */
export const prefs = createStore({
  lang: firstLang(),
  theme: document.documentElement.dataset.theme === 'light' ? 'light' : 'dark',
  cells: kept(CELLS) === 'yes',
  muted: kept(MUTED) === 'yes',
});

function apply() {
  const { lang, theme } = prefs.get();
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
  document.documentElement.dataset.theme = theme;
}
apply();
prefs.subscribe(apply);

/** @param {import('../types.js').Lang} lang */
export function setLang(lang) {
  keep(LANG, lang);
  prefs.update((p) => ({ ...p, lang }));
}

/** @param {'dark' | 'light'} theme */
export function setTheme(theme) {
  keep(THEME, theme);
  prefs.update((p) => ({ ...p, theme }));
}

/** @param {boolean} cells whether the map shows the grid cells */
export function setCells(cells) {
  keep(CELLS, cells ? 'yes' : 'no');
  prefs.update((p) => ({ ...p, cells }));
}

/** @param {boolean} muted whether the page keeps silent */
export function setMuted(muted) {
  keep(MUTED, muted ? 'yes' : 'no');
  prefs.update((p) => ({ ...p, muted }));
}

/** Draw again when language or theme changes. */
export const usePrefs = () => useStore(prefs, (p) => p);
