// What was read in a report's text, how surely and because of which words. Not for deciding what
// is done about it: streams/classify does, by its thresholds.yaml.

import { html } from 'htm/preact';

import { t, tOr } from '../lib/i18n.js';
import { categoryName } from './parts.js';

/** @typedef {import('../types.js').Incident} Incident */

const LIVE = 'live';
/** `reader` of a text that no model read, but the words of the lexicon. */
const BY_WORDS = 'words';
// Shown from there on; danger also where it was raised at less. REAL_FROM is `real` of
// streams/classify/thresholds.yaml, below which a person looks first.
const DANGER_FROM = 0.2;
const REAL_FROM = 0.7;
const LIKELY_FROM = 0.05;

/**
 * A probability; never told as certain, for none is.
 * @param {number} probability
 */
export const share = (probability) => Math.min(0.99, Math.max(0.01, probability)).toFixed(2);

/**
 * What a model read in the text: nothing else has probabilities.
 * @param {Incident} incident
 */
const readIn = ({ reading }) =>
  (reading?.language && reading.reader !== BY_WORDS ? reading : null);

/** @param {string[] | undefined} words */
const because = (words) => !!words?.length && html` <span class="faint because">${
  t('read.because', { words: words.join(' · ') })}</span>`;

/**
 * What speaks against its being here and now; nothing where it is live.
 * @param {{incident: Incident}} props
 */
export function Doubt({ incident }) {
  const reading = readIn(incident);
  if (!reading) return null;
  const { modality = LIVE, real = 1 } = reading;
  if (modality === LIVE && real >= REAL_FROM) return null;
  const unreal = share(1 - real);
  return html`<p class="notice doubt"><b>${modality === LIVE ? t('read.unreal', { share: unreal })
    : t('read.unreal_as', { share: unreal, kind: tOr(`modality.${modality}`, modality) })}</b>${
    because(reading.unreal)}</p>`;
}

/**
 * Rows of a list of terms: what it was read as, what else it may be, danger, that it happens now.
 * What no model read has its confidence alone.
 * @param {{incident: Incident}} props
 */
export function ReadRows({ incident }) {
  const who = incident.triaged_by;
  const triaged = who && ` · ${t('what.triaged_by', { who })}`;
  const reading = readIn(incident);
  if (!reading) {
    const { reading: unread, text } = incident;
    return html`${unread?.reader === BY_WORDS && html`<dt>${t('read.how')}</dt>
        <dd>${t('read.words')}${because(unread.because)}</dd>`}
      ${unread && !unread.language && text && html`<dt>${t('read.how')}</dt><dd class="warn">${t('read.no_language')}</dd>`}
      <dt>${t('what.confidence')}</dt>
      <dd>${Math.round(incident.confidence * 100)} %${triaged}</dd>`;
  }
  const { categories = [], modality = LIVE, real = 1, danger = 0 } = reading;
  const [first, ...rest] = categories;
  const others = rest.filter((one) => one.probability >= LIKELY_FROM);
  return html`${first && html`<dt>${t('read.as')}</dt>
      <dd>${likely(first)}${because(reading.because)}${
        reading.taught && html` <span class="faint">${
          t('read.taught', { example: reading.taught })}</span>`}${triaged}</dd>`}
    ${others.length > 0 && html`<dt>${t('read.others')}</dt>
      <dd>${others.map(likely).join(' · ')}</dd>`}
    ${(danger >= DANGER_FROM || !!reading.alarming?.length) && html`<dt>${t('read.danger')}</dt>
      <dd>${share(danger)}${because(reading.alarming)}</dd>`}
    ${modality === LIVE && real >= REAL_FROM && html`<dt>${t('read.live')}</dt>
      <dd>${share(real)}</dd>`}`;
}

/** @param {{category: string, probability: number}} one */
const likely = (one) => `${categoryName(one.category)} ${share(one.probability)}`;
