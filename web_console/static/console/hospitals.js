// Hospitals: what each takes in an hour and has taken, who is closed; and where a unit brings its
// patients, with the others that were looked at. Before the last one that takes patients is closed
// or made full a person is asked once more, and while none takes any the screen says so.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';

import { minutes } from '../lib/format.js';
import { nameOf, t } from '../lib/i18n.js';
import { usePrefs } from '../lib/prefs.js';
import { createStore, useStore } from '../lib/store.js';
import { jurisdictionNow } from '../live.js';
import { load, noneTakes, takes, wouldLeaveNone } from './hospital_load.js';
import { guards, order } from './orders.js';
import { OrderButton } from './parts.js';
import { ask, live, tick } from './state.js';

export { load, takes };

const MAY_CHANGE = ['on_scene', 'transporting'];

/** @param {string} id */
export const hospitalName = (id) => nameOf(live.get().hospitals.get(id)?.names, id);

/** @type {import('../lib/store.js').Store<{hospital: string, why: string, send: () => void} | null>} */
const last = createStore(
  /** @type {{hospital: string, why: string, send: () => void} | null} */ (null));

guards.set('set_hospital', (payload, send) => {
  const state = live.get();
  const why = wouldLeaveNone(state.hospitals, payload, jurisdictionNow(state, Date.now()));
  if (why) last.set({ hospital: String(payload.hospital), why, send });
  return Boolean(why);
});

/** Asks whether the last hospital that takes patients is really to take none. */
export function LastHospital() {
  usePrefs();
  const asked = useStore(last, (one) => one);
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    if (asked) box.current?.showModal();
  }, [asked]);
  if (!asked) return null;
  const leave = () => last.set(null);
  const title = t('hospitals.last', { hospital: hospitalName(asked.hospital) });
  return html`<dialog ref=${box} class="last-hospital" aria-label=${title} onClose=${leave}>
    <form method="dialog" onSubmit=${(/** @type {Event} */ e) => {
      e.preventDefault();
      leave();
      asked.send();
    }}>
      <header><h2>${title}</h2></header>
      <div class="sheet-body"><p class="notice warn">${t(`hospitals.last_${asked.why}`)}</p>
        <p>${t('hospitals.last_text')}</p></div>
      <footer>
        <button type="button" class="button" autofocus onClick=${leave}>${t('dialog.cancel')}</button>
        <button type="submit" class="button danger">${t('hospitals.last_action')}</button>
      </footer>
    </form>
  </dialog>`;
}

/** That no hospital takes patients, above everything else for as long as it is so. */
export function NoHospital() {
  usePrefs();
  useStore(tick, (n) => n);
  const why = useStore(live, (s) => noneTakes(s.hospitals.values(), jurisdictionNow(s, Date.now())));
  return why ? html`<p class="notice bad no-hospital" role="status">${t(`hospitals.none_${why}`)}</p>`
    : null;
}

/**
 * @param {string} hospital
 */
const open = (hospital) => order(live.get().jurisdiction, 'set_hospital', {
  hospital, closed: false, per_hour: live.get().hospitals.get(hospital)?.set_per_hour ?? null,
}, { key: `hospital-${hospital}` });

/** @param {{state: import('../types.js').LiveState, now: number}} props */
export function Hospitals({ state, now }) {
  const all = [...state.hospitals.values()].sort((a, b) => a.id.localeCompare(b.id, 'en'));
  if (!all.length) return null;
  return html`<div>
    <h2>${t('hospitals.title')}</h2>
    ${all.map((one) => html`<div class="unit-row hospital-row" key=${one.id}>
      <div><b>${nameOf(one.names, one.id)}</b>
        <div class="unit-what"><span class="faint">${takes(one) == null
        ? t('hospitals.taken', { n: load(one, now) })
        : t('hospitals.taken_of', { n: load(one, now), most: takes(one) ?? 0 })}</span>
        ${one.closed && html`<span class="flag flag-held" title=${one.reason ?? ''}>
          ${t('hospitals.closed_by', { who: one.set_by ?? '' })}</span>`}</div></div>
      ${one.closed
        ? html`<${OrderButton} kind="small" orderKey=${`hospital-${one.id}`}
            onClick=${() => open(one.id)}>${t('hospitals.open')}</${OrderButton}>`
        : html`<${OrderButton} kind="small quiet" orderKey=${`hospital-${one.id}`}
            onClick=${() => ask({ kind: 'hospital', hospital: one.id })}>
            ${t('hospitals.set')}</${OrderButton}>`}
    </div>`)}
  </div>`;
}

/**
 * Where a unit brings its patients; nothing before that is known.
 * @param {{assignment: import('../types.js').Assignment}} props
 */
export function Destination({ assignment: a }) {
  const options = a.hospital_options ?? [];
  if (!options.length) return null;
  const chosen = options.find((one) => one.hospital === a.hospital);
  return html`<div class=${a.hospital ? 'destination' : 'destination warn'}>
    ${a.hospital ? `→ ${hospitalName(a.hospital)}` : t('hospitals.none_open')}
    ${chosen?.drive_s != null && html` <span class="faint">${minutes(chosen.drive_s)}</span>`}
    ${MAY_CHANGE.includes(a.state) && html` <button type="button" class="linkish"
      onClick=${() => ask({ kind: 'destination', assignment: a.id })}>
      ${t('hospitals.change')}</button>`}
  </div>`;
}
