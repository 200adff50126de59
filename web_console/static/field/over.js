// An exercise that is over: said, with a way back to live. A sign-in link leads into an exercise for
// as long as the session lasts, and its drill doesn't.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { request } from '../lib/http.js';
import { t } from '../lib/i18n.js';
import { useStore } from '../lib/store.js';
import { here, live } from './state.js';

/**
 * Whether what is reported here is worked on by nobody any more.
 * @param {import('../types.js').LiveState} state
 */
export const isOver = (state) => state.exercise && !!state.clock?.over;

export function Over() {
  const over = useStore(live, isOver);
  const [error, setError] = useState('');
  if (!over) return null;
  const side = here().city.jurisdictions.find((one) => !one.exercise);
  const leave = async () => {
    try {
      await request('PATCH', '/api/session', { jurisdiction: side?.id });
      location.reload();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  return html`<div class="notice bad over" role="alert"><p><b>${t('exercise.over')}</b>
      ${' '}${t('field.over')}</p>
    ${side && html`<button type="button" class="button big primary" onClick=${leave}>
      ${t('field.to_live')}</button>`}
    ${error && html`<p>${error}</p>`}</div>`;
}
