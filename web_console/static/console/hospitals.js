// Hospitals: what each takes in an hour and has taken, who is closed; and where a unit brings its
// patients, with the others that were looked at.

import { html } from 'htm/preact';

import { minutes } from '../lib/format.js';
import { nameOf, t } from '../lib/i18n.js';
import { order } from './orders.js';
import { OrderButton } from './parts.js';
import { ask, live } from './state.js';

const HOUR_MS = 3600_000;
const MAY_CHANGE = ['on_scene', 'transporting'];

/** @param {string} id */
export const hospitalName = (id) => nameOf(live.get().hospitals.get(id)?.names, id);

/**
 * Patients of the last hour, those on their way among them.
 * @param {import('../types.js').Hospital} hospital
 * @param {number} now
 */
export const load = (hospital, now) => (hospital.bound?.length ?? 0)
  + (hospital.brought ?? []).filter((at) => Date.parse(at) > now - HOUR_MS).length;

/** @param {import('../types.js').Hospital} hospital */
export const takes = (hospital) => hospital.set_per_hour ?? hospital.listed_per_hour;

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
