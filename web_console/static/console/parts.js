// Small pieces that several panels of the commander's page share: badges, chips, buttons.

import { html } from 'htm/preact';

import { clockTime, distance } from '../lib/format.js';
import { assignmentWord, nameOf, t, tOr } from '../lib/i18n.js';
import { useStore } from '../lib/store.js';
import { pending, waits } from './orders.js';
import { callSign, theCity } from './state.js';

/** @param {string} id */
export const categoryName = (id) => nameOf(theCity().categories[id], id);
/** @param {string} id */
export const kindName = (id) => nameOf(theCity().unit_kinds[id], id);
/** @param {string} id */
export const skillName = (id) => nameOf(theCity().skills[id], id);

/**
 * Priority by shape and number, never by colour alone.
 * @param {{priority: number}} props
 */
export function Priority({ priority }) {
  const label = t(`priority.${priority}`);
  return html`<span class="prio prio-${priority}" role="img" title=${label} aria-label=${label}>
    <span aria-hidden="true">${priority}</span>
  </span>`;
}

/**
 * @param {{state: string, what?: string}} props
 */
export const StateChip = ({ state, what = 'incident' }) =>
  html`<span class="chip state-${state}">${tOr(`${what}.${state}`, state)}</span>`;

/** @param {{assignment: import('../types.js').Assignment}} props */
export const AssignmentChip = ({ assignment }) => html`<span
  class="chip state-${assignment.state}">${assignmentWord(assignment.state, assignment.end_reason)}</span>`;

/**
 * What was told of a unit's position and can't be, and where it is taken to be.
 * @param {import('../types.js').FarPosition} far
 */
export const farText = (far) => t('units.far_text', {
  away: distance(far.away_m), lat: far.lat.toFixed(5), lon: far.lon.toFixed(5),
  at: clockTime(far.told_at, theCity().timezone),
});

/** @param {{unit: import('../types.js').Unit | undefined}} props */
export const FarFlag = ({ unit }) => unit?.far && html`<span class="flag flag-held"
  title=${farText(unit.far)}>${t('units.far', { away: distance(unit.far.away_m) })}</span>`;

/**
 * A unit, and what it is or its assignment; `why` is why that ended.
 * @param {{id: string, state: string, why?: string, onClick?: (event: MouseEvent) => void}} props
 */
export function UnitChip({ id, state, why, onClick }) {
  const name = callSign(id);
  const label = `${name} · ${tOr(`unit.${state}`, assignmentWord(state, why))}`;
  return onClick
    ? html`<button type="button" class="unitchip state-${state}" title=${label} onClick=${onClick}
        aria-label=${label}>${name}</button>`
    : html`<span class="unitchip state-${state}" title=${label} aria-label=${label}>${name}</span>`;
}

/**
 * A button whose order is on its way says so until the journal has it.
 * @param {{orderKey: string, onClick: () => void, children: any, kind?: string,
 *   disabled?: boolean, title?: string, hotkey?: string}} props
 */
export function OrderButton({ orderKey, onClick, children, kind = '', disabled, title, hotkey }) {
  const sent = useStore(pending, (now) => waits(now, orderKey));
  return html`<button type="button" class="button ${kind}" disabled=${disabled || sent}
    title=${title} aria-busy=${sent} onClick=${onClick}>
    <span class=${sent ? 'hidden-text' : ''}>${children}</span>
    ${sent && html`<span class="sent">${t('order.sent')}</span>`}
    ${hotkey && !sent && html`<kbd>${hotkey}</kbd>`}
  </button>`;
}

/** @param {{title: string, text?: string, children?: any}} props */
export const Empty = ({ title, text, children }) => html`<div class="empty">
  <strong>${title}</strong>${text && html`<p>${text}</p>`}${children}
</div>`;
