// Tells of incidents that may be life-threatening the moment they come: by a sound, and to screen
// readers. Each once in the life of a page. The queue shows them for as long as they wait.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { t } from '../lib/i18n.js';
import { useStore } from '../lib/store.js';
import { categoryName } from './parts.js';
import { rows } from './selectors.js';
import { play } from './sounds.js';
import { live } from './state.js';

/** @type {Set<string>} */
const told = new Set();

export function Alarm() {
  // As one word, so that a moving unit draws nothing anew.
  const waiting = useStore(live, (s) => rows(s).filter((row) => row.decision === 'maybe')
    .map((row) => row.id).join(' '));
  const [words, setWords] = useState('');
  useEffect(() => {
    const ids = waiting.split(' ').filter(Boolean);
    const fresh = ids.filter((id) => !told.has(id));
    for (const id of fresh) told.add(id);
    if (fresh.length) {
      setWords(fresh.map(inWords).join(' '));
      play();
    } else if (!ids.length) setWords('');
  }, [waiting]);
  return html`<div class="heard alone" aria-live="assertive" aria-atomic="true">${words}</div>`;
}

/** @param {string} id */
function inWords(id) {
  const incident = live.get().incidents.get(id);
  return incident ? t('decide.maybe_heard', {
    number: incident.number, category: categoryName(incident.category),
    where: incident.place || t('incident.no_place'),
  }) : '';
}
