// The queue of incidents: what may threaten a life first, then what else a person has to decide, then by priority and wait. Only the rows in view are drawn, so
// thousands don't slow it down.

import { html } from 'htm/preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { span } from '../lib/format.js';
import { session } from '../lib/http.js';
import { saidIn, t } from '../lib/i18n.js';
import { usePrefs } from '../lib/prefs.js';
import { keepSide } from '../lib/side.js';
import { useStore } from '../lib/store.js';
import { jurisdictionNow } from '../live.js';
import { Empty, Priority, StateChip, UnitChip, categoryName } from './parts.js';
import {
  counts, filtered, isEscalated, lateness, mayThreatenLife, missedCrew, nextFree, outside, rows,
} from './selectors.js';
import { live, select, setUi, theSession, tick, ui } from './state.js';

const ROW_REM = 4.75; // .row's height in console.css
const OVERSCAN = 6;
const DRILL_ASKED_MS = 10_000;
const LOOKED_WITHIN_S = 60;
const SECONDS_UNTIL_S = 600;
const FILTERS = /** @type {const} */ (['all', 'decide', 'active', 'closed']);

/** What a rem is on this screen, in px. */
const remPx = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize);

/** The rows as the queue shows them now; keys.js walks along them. */
export function visibleRows() {
  const { filter, search } = ui.get();
  return filtered(rows(live.get()), filter, search, (i) => categoryName(i.category));
}

export function Queue() {
  usePrefs();
  const state = useStore(live, (s) => s);
  const { filter, search, selected } = useStore(ui, (u) => u);
  const c = counts(rows(state));
  const shown = visibleRows();
  const numbers = { all: c.all, decide: c.decide, active: c.waiting + c.active, closed: c.closed };
  return html`<section class="queue" aria-label=${t('queue.title')}>
    <div class="queue-head">
      <div class="tabs" role="group" aria-label=${t('queue.filter')}>
        ${FILTERS.map((f) => html`<button type="button" key=${f} aria-pressed=${filter === f}
          class=${f === 'decide' && c.decide ? 'calls' : ''}
          onClick=${() => setUi({ filter: f })}>${t(`queue.${f}`)} <b>${numbers[f]}</b></button>`)}
      </div>
      <input type="search" id="search" value=${search} placeholder=${t('queue.search')}
        aria-label=${t('queue.search')} autocomplete="off"
        onInput=${(/** @type {any} */ e) => setUi({ search: e.currentTarget.value })} />
    </div>
    ${!state.ready ? html`<${Waiting} />`
      : shown.length ? html`<${Rows} shown=${shown} selected=${selected} state=${state} />`
        : html`<${None} filter=${filter} search=${search} />`}
  </section>`;
}

const Waiting = () => html`<div class="rows" aria-busy="true">
  ${[1, 2, 3, 4, 5, 6].map((n) => html`<div class="row ghost" key=${n}></div>`)}
</div>`;

/** @param {{filter: string, search: string}} props */
function None({ filter, search }) {
  if (search) {
    return html`<${Empty} title=${t('queue.none_found', { search })}>
      <button type="button" class="button" onClick=${() => setUi({ search: '' })}>
        ${t('queue.clear')}</button></${Empty}>`;
  }
  return html`<${Empty} title=${t(`queue.none_${filter}`)} text=${t(`queue.none_${filter}_text`)}>
    <${DrillRuns} /></${Empty}>`;
}

/** An empty live side while a drill runs is most likely not what the person came for. */
function DrillRuns() {
  const nothing = useStore(live, (s) => s.ready && !s.exercise && s.incidents.size === 0);
  const [drill, setDrill] = useState(theSession().drills?.[0] ?? '');
  useEffect(() => {
    if (!nothing) return undefined;
    // A screen without an answer shows what it knew.
    const look = () => session().then((me) => setDrill(me.drills?.[0] ?? '')).catch(() => {});
    look();
    const timer = setInterval(look, DRILL_ASKED_MS);
    return () => clearInterval(timer);
  }, [nothing]);
  return nothing && drill && html`<p class="drill-runs" role="status">${t('queue.drill_runs')}</p>
    <button type="button" class="button primary" onClick=${() => {
      keepSide(drill);
      // The drill may have begun after this page: what the page knows of the city is read anew.
      location.reload();
    }}>${t('queue.drill_go')}</button>`;
}

/**
 * @param {{shown: import('../types.js').Row[], selected: string,
 *   state: import('../types.js').LiveState}} props
 */
function Rows({ shown, selected, state }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(800);
  const [rowPx, setRowPx] = useState(ROW_REM * remPx());
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const watch = new ResizeObserver(() => {
      setHeight(element.clientHeight);
      setRowPx(ROW_REM * remPx());
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const index = shown.findIndex((row) => row.id === selected);
    const element = box.current;
    if (index < 0 || !element) return;
    if (index * rowPx < element.scrollTop) element.scrollTop = index * rowPx;
    else if ((index + 1) * rowPx > element.scrollTop + element.clientHeight) {
      element.scrollTop = (index + 1) * rowPx - element.clientHeight;
    }
  }, [selected]);
  const first = Math.max(0, Math.floor(top / rowPx) - OVERSCAN);
  const last = Math.min(shown.length, Math.ceil((top + height) / rowPx) + OVERSCAN);
  return html`<div class="rows" ref=${box} role="listbox" tabindex="0" id="queue-rows"
    aria-label=${t('queue.title')} aria-activedescendant=${selected ? `row-${selected}` : undefined}
    onScroll=${(/** @type {any} */ e) => setTop(e.currentTarget.scrollTop)}>
    <div class="rows-all" style=${{ height: `${shown.length * ROW_REM}rem` }}>
      ${shown.slice(first, last).map((row, n) => html`<${QueueRow} key=${row.id} row=${row}
        state=${state} index=${first + n} total=${shown.length} selected=${row.id === selected} />`)}
    </div>
  </div>`;
}

/**
 * Where it is; before that what a later report told that was more urgent.
 * @param {import('../types.js').Incident} incident
 */
const whatAndWhere = (incident) =>
  [saidIn(incident, incident.leading), incident.place].filter(Boolean).join(' · ')
    || saidIn(incident, incident.text) || t('incident.no_place');

/**
 * @param {{row: import('../types.js').Row, index: number, total: number, selected: boolean,
 *   state: import('../types.js').LiveState}} props
 */
function QueueRow({ row, index, total, selected, state }) {
  useStore(tick, (n) => Math.floor(n / 1000));
  const { incident } = row;
  const now = jurisdictionNow(state, Date.now());
  const until = incident.closed_at ? Date.parse(incident.closed_at) : now;
  const age = (until - Date.parse(incident.opened_at)) / 1000;
  const reports = incident.report_count ?? incident.reports?.length ?? 1;
  return html`<div class="row prio-edge-${incident.priority} ${selected ? 'selected' : ''}
      ${row.group === 'closed' ? 'ended' : ''}" id="row-${row.id}" role="option"
    aria-selected=${selected} aria-posinset=${index + 1} aria-setsize=${total}
    style=${{ top: `${index * ROW_REM}rem` }} onClick=${() => select(row.id)}>
    <${Priority} priority=${incident.priority} />
    <div class="row-main">
      <div class="row-title"><b>${categoryName(incident.category)}</b>${reports > 1 && html`<span
        class="more" title=${t('what.merged', { n: reports })}> ×${reports}</span>`}</div>
      <div class="row-place">${whatAndWhere(incident)}</div>
      <div class="row-foot">
        <${Flags} incident=${incident} state=${state} />
        <span class="number">${incident.number}</span>
        ${row.units.length > 1 && html`<span class="more" title=${t('queue.units', { n: row.units.length })}
          >×${row.units.length}</span>`}
        <span class="row-units">${row.units.map((u) =>
          html`<${UnitChip} key=${u.id} id=${u.id} state=${u.state} />`)}</span>
      </div>
    </div>
    <div class="row-side">
      <span class="age ${row.group === 'waiting' ? 'hot' : ''}">${span(age)}</span>
      ${row.decision ? html`<span class="chip decide ${row.decision === 'maybe'
        && waited(incident, now) > LOOKED_WITHIN_S ? 'late' : ''}" title=${t(`decide.${row.decision}_text`)}>
        ${reason(row, state, now)}</span>`
        : html`<${StateChip} state=${row.group === 'waiting' ? 'open'
          : incident.state === 'open' ? 'assigned' : incident.state} />`}
    </div>
  </div>`;
}

/**
 * Seconds that an incident has been open.
 * @param {import('../types.js').Incident} incident
 * @param {number} now ms
 */
const waited = (incident, now) =>
  Math.max(0, (now - Date.parse(incident.reopened_at ?? incident.opened_at)) / 1000);

/**
 * Why a row is to be decided, with the time that tells how long or until when.
 * @param {import('../types.js').Row} row
 * @param {import('../types.js').LiveState} state
 * @param {number} now ms
 */
function reason({ incident, decision }, state, now) {
  if (decision === 'maybe') {
    const s = waited(incident, now);
    return t('decide.maybe_for', {
      for: s < SECONDS_UNTIL_S ? t('span.s', { n: Math.floor(s) }) : span(s),
    });
  }
  const next = decision === 'short'
    ? nextFree(state.proposals.get(incident.proposal ?? ''), now) : null;
  if (next !== null) return `${t('decide.short')} · ${span(next)}`;
  const missed = decision === 'unanswered' || decision === 'overdue'
    ? missedCrew(state, incident) : null;
  const late = missed && lateness(missed.assignment, now);
  return late ? t(`decide.${late.why}_by`, { by: span(late.late_s) }) : t(`decide.${decision}`);
}

/**
 * @param {{incident: import('../types.js').Incident, state: import('../types.js').LiveState}} props
 */
export function Flags({ incident, state }) {
  const flags = [
    isEscalated(state, incident) && 'escalated',
    mayThreatenLife(incident) ? 'maybe' : incident.triage && 'triage',
    outside(incident) && 'outside',
    incident.by_hand && 'by_hand',
  ].filter(Boolean);
  return flags.map((flag) => html`<span key=${flag} class="flag flag-${flag}"
    title=${t(`flag.${flag}_text`)}>${t(`flag.${flag}`)}</span>`);
}
