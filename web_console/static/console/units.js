// All units by kind: what each does, who is held and by whom; hold and lift. Hospitals below.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { minutes, span } from '../lib/format.js';
import { nameOf, t } from '../lib/i18n.js';
import { usePrefs } from '../lib/prefs.js';
import { useStore } from '../lib/store.js';
import { jurisdictionNow } from '../live.js';
import { Hospitals } from './hospitals.js';
import { order } from './orders.js';
import { Empty, FarFlag, OrderButton, StateChip, kindName } from './parts.js';
import { free, kinds } from './selectors.js';
import { ask, callSign, live, select, setUi, theCity, ui } from './state.js';

/** @param {import('../types.js').Unit} unit */
export function hold(unit) {
  ask({ kind: 'reason', title: t('hold.title', { unit: callSign(unit.id) }), action: t('hold.action'),
    run: (reason) => order(live.get().jurisdiction, 'hold_unit', { unit: unit.id, reason }, {
      key: `hold-${unit.id}`,
      undo: () => ({ label: t('undo.lift'), run: () => lift(unit.id) }),
    }) });
}

/** @param {string} unit */
export const lift = (unit) =>
  order(live.get().jurisdiction, 'lift_hold', { unit }, { key: `hold-${unit}` });

export function Units() {
  usePrefs();
  const state = useStore(live, (s) => s);
  const marked = useStore(ui, (u) => u.unit);
  const [only, setOnly] = useState(/** @type {'all' | 'free' | 'out' | 'held'} */ ('all'));
  const [words, setWords] = useState('');
  const groups = kinds(state).map((k) => ({
    ...k,
    units: [...state.units.values()]
      .filter((u) => u.kind === k.kind && (only === 'all' || (only === 'free' && free(u))
        || (only === 'held' && u.held_by) || (only === 'out' && u.incident)))
      .filter((u) => !words || `${u.id} ${u.call_sign ?? ''} ${u.station ?? ''}`.toLowerCase()
        .includes(words.toLowerCase()))
      .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true })),
  })).filter((g) => g.units.length);
  return html`<section class="queue units" aria-label=${t('units.title')}>
    <div class="queue-head">
      <div class="tabs" role="group" aria-label=${t('queue.filter')}>
        ${/** @type {const} */ (['all', 'free', 'out', 'held']).map((f) => html`<button
          type="button" key=${f} aria-pressed=${only === f} onClick=${() => setOnly(f)}>
          ${t(`units.${f}`)}</button>`)}
      </div>
      <input type="search" value=${words} placeholder=${t('units.search')}
        aria-label=${t('units.search')} autocomplete="off"
        onInput=${(/** @type {any} */ e) => setWords(e.currentTarget.value)} />
    </div>
    <div class="rows unit-rows">
      ${[...state.move_ups.values()].map((move) => html`<${MoveUpCard} key=${move.id} move=${move} />`)}
      ${groups.map((g) => html`<div key=${g.kind}>
        <h2>${kindName(g.kind)}<span>${t('units.free_of', { free: g.free, total: g.total })}</span></h2>
        ${g.units.map((u) => html`<${UnitRow} key=${u.id} unit=${u} state=${state}
          marked=${u.id === marked} />`)}
      </div>`)}
      ${only === 'all' && !words && html`<${Hospitals} state=${state}
        now=${jurisdictionNow(state, Date.now())} />`}
      ${state.ready && !groups.length && html`<${Empty}
        title=${t(state.units.size ? 'units.none_found' : 'units.none')}
        text=${t(state.units.size ? 'units.none_found_text' : 'units.none_text')} />`}
    </div>
  </section>`;
}

/**
 * An idle unit should stand elsewhere: where, why, and a decision.
 * @param {{move: import('../types.js').MoveUp}} props
 */
function MoveUpCard({ move }) {
  const { jurisdiction } = live.get();
  const place = theCity().facilities?.find((f) => f.id === move.post);
  const where = place ? nameOf(place.names ?? { zh: place.name_zh ?? '', en: place.name_en ?? '' },
    move.post) : move.post;
  const key = `move-${move.id}`;
  return html`<section class="move-up" aria-label=${t('move_up.title')}>
    <h2>${t('move_up.title')}</h2>
    <p>${t(move.post ? 'move_up.forward' : 'move_up.back', { unit: callSign(move.id), place: where ?? '',
      time: minutes(move.drive_s) })}</p>
    <p class="faint" title=${t('proposal.coverage_text')}>${t('proposal.coverage', {
      before: `${((move.coverage ?? 0) * 100).toFixed(1)} %`,
      after: `${((move.coverage_after ?? 0) * 100).toFixed(1)} %` })}</p>
    <div class="proposal-act">
      <${OrderButton} kind="primary" orderKey=${key} onClick=${() => order(jurisdiction,
        'confirm_move_up', { unit: move.id }, { key })}>${t('move_up.confirm')}</${OrderButton}>
      <${OrderButton} orderKey=${`${key}-no`} onClick=${() => order(jurisdiction,
        'refuse_move_up', { unit: move.id }, { key: `${key}-no` })}>${t('move_up.refuse')}</${OrderButton}>
      <button type="button" class="button" onClick=${() => setUi({ unit: move.id, pane: 'map' })}>
        ${t('units.map')}</button>
    </div>
  </section>`;
}

/**
 * @param {{unit: import('../types.js').Unit, marked: boolean,
 *   state: import('../types.js').LiveState}} props
 */
function UnitRow({ unit, marked, state }) {
  const incident = unit.incident ? state.incidents.get(unit.incident) : undefined;
  const since = (jurisdictionNow(state, Date.now()) - Date.parse(unit.since)) / 1000;
  return html`<div class="unit-row ${marked ? 'selected' : ''}">
    <button type="button" class="unit-show" aria-label=${t('units.show', { unit: callSign(unit.id) })}
      onClick=${() => setUi({ unit: marked ? '' : unit.id, pane: marked ? 'left' : 'map' })}>
      <b>${callSign(unit.id)}</b></button>
    <div class="unit-what"><${StateChip} state=${unit.state} what="unit" />
      <span class="faint">${span(since)}</span>
      ${incident && html`<button type="button" class="linkish"
        onClick=${() => select(incident.id)}>${incident.number}</button>`}
      ${(unit.queue?.length ?? 0) > 0 && html`<span class="flag"
        title=${t('units.queue_text')}>${t('units.queue', { n: unit.queue?.length ?? 0 })}</span>`}
      ${unit.post && html`<span class="flag">${t('units.moved_up')}</span>`}
      <${FarFlag} unit=${unit} />
      ${unit.held_by && html`<span class="flag flag-held" title=${unit.held_reason ?? ''}>
        ${t('units.held_by', { who: unit.held_by })}</span>`}
    </div>
    ${unit.held_by
      ? html`<${OrderButton} kind="small" orderKey=${`hold-${unit.id}`}
          onClick=${() => lift(unit.id)}>${t('units.lift')}</${OrderButton}>`
      : html`<${OrderButton} kind="small quiet" orderKey=${`hold-${unit.id}`}
          onClick=${() => hold(unit)}>${t('units.hold')}</${OrderButton}>`}
  </div>`;
}
