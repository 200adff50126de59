// Texts in the language in force. Every word on a screen comes from i18n/zh.js and i18n/en.js
// (same keys, a test says so) or, with both languages, from the backend.

import { en } from '../i18n/en.js';
import { zh } from '../i18n/zh.js';
import { prefs } from './prefs.js';

/** @type {Record<string, Record<string, string>>} */
const CATALOGUES = { zh, en };

/**
 * Text of a key with `{name}` places filled in.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values) {
  const text = CATALOGUES[prefs.get().lang][key];
  if (text === undefined) return key;
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * Text of a key, or `otherwise` where the catalogue has none (a word that is newer than we are).
 * @param {string} key
 * @param {string} otherwise
 */
export function tOr(key, otherwise) {
  return CATALOGUES[prefs.get().lang][key] ?? otherwise;
}

/**
 * What an assignment is, in words; one whose crew dropped out was not recalled.
 * @param {string} state
 * @param {string} [why] why it ended
 */
export const assignmentWord = (state, why = '') => tOr(
  `assignment.${state}.${why}`, tOr(`assignment.${state}`, state),
);

/**
 * Name in the language in force out of `{zh, en}` or `{names: {zh, en}}`.
 * @param {any} named
 * @param {string} [otherwise]
 * @returns {string}
 */
export function nameOf(named, otherwise = '') {
  if (!named) return otherwise;
  const names = named.names ?? named;
  const { lang } = prefs.get();
  return names[lang] ?? names[lang === 'zh' ? 'en' : 'zh'] ?? otherwise;
}

/**
 * What a report said: where a machine wrote it, in the reader's language.
 * @param {{words?: Record<string, import('../types.js').Names>}} incident @param {string | undefined} text
 */
export const saidIn = (incident, text = '') => nameOf(incident.words?.[text], text);

/** The other language: what its switch offers. */
export const otherLang = () => (prefs.get().lang === 'zh' ? 'en' : 'zh');
