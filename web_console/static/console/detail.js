// The selected incident: what, where, when, what is asked for, who goes, and what a person can do.

import { html } from 'htm/preact';

import { clockTime, distance, minutes, shortTime, span } from '../lib/format.js';
import { nameOf, saidIn, t, tOr } from '../lib/i18n.js';
import { usePrefs } from '../lib/prefs.js';
import { useStore } from '../lib/store.js';
import { ended, isPlaced, jurisdictionNow } from '../live.js';
import { Destination } from './hospitals.js';
import { lookAt } from './map.js';
import { order } from './orders.js';
import {
  AssignmentChip, Empty, FarFlag, OrderButton, Priority, StateChip, UnitChip, categoryName, skillName,
} from './parts.js';
import { Photo } from './photos.js';
import { ProposalCard } from './proposal.js';
import { Flags } from './queue.js';
import { Doubt, ReadRows } from './reading.js';
import {
  arrival, assignmentsOf, coverage, isUnsettled, lateness, onTheWay, outside, running, undoing,
} from './selectors.js';
import { ask, callSign, live, select, theCity, tick, ui } from './state.js';
import { Timeline } from './timeline.js';

const SKEW_SHOWN_S = 90;

export function Detail() {
  usePrefs();
  const id = useStore(ui, (u) => u.selected);
  const state = useStore(live, (s) => s);
  const incident = state.incidents.get(id);
  if (!incident) {
    return html`<aside class="detail" aria-label=${t('detail.title')}>
      <${Empty} title=${t(id ? 'detail.gone' : 'detail.none')}
        text=${t(id ? 'detail.gone_text' : 'detail.none_text')} /></aside>`;
  }
  return html`<aside class="detail" aria-label=${t('detail.title')} key=${id}>
    <${Head} incident=${incident} state=${state} />
    <div class="detail-body" role="group" aria-label=${t('detail.title')} tabindex="0">
      <${ProposalCard} incident=${incident} state=${state} />
      <${Sent} incident=${incident} state=${state} />
      <${Requirements} incident=${incident} state=${state} />
      <${What} incident=${incident} state=${state} />
      <${Tasks} incident=${incident} state=${state} />
      <${Timeline} incident=${incident} />
    </div>
    <${Actions} incident=${incident} />
  </aside>`;
}

/**
 * @typedef {{incident: import('../types.js').Incident,
 *   state: import('../types.js').LiveState}} Props
 */

/** @param {Props} props */
function Head({ incident, state }) {
  useStore(tick, (n) => n);
  const until = incident.closed_at ? Date.parse(incident.closed_at)
    : jurisdictionNow(state, Date.now());
  const placed = isPlaced(incident);
  return html`<div class="detail-head prio-edge-${incident.priority}">
    <div class="detail-line">
      <${Priority} priority=${incident.priority} />
      <h2>${categoryName(incident.category)}</h2>
      <button type="button" class="iconbutton close" aria-label=${t('detail.close')}
        title=${t('detail.close')} onClick=${() => select('')}>×</button>
    </div>
    <div class="detail-place">
      <span>${incident.place || (placed ? t('incident.at', {
        lat: incident.lat?.toFixed(5) ?? '', lon: incident.lon?.toFixed(5) ?? '' })
        : t('incident.no_place'))}</span>
      ${placed && html`<button type="button" class="linkish" onClick=${() =>
        lookAt([/** @type {number} */ (incident.lon), /** @type {number} */ (incident.lat)])}>
        ${t('detail.on_map')}</button>`}
      ${!placed && !ended(incident) && html`<button type="button" class="button small"
        onClick=${() => ask({ kind: 'place', incident: incident.id })}>${t('place.action')}</button>`}
    </div>
    <div class="detail-meta">
      <span class="number">${incident.number}</span>
      <${StateChip} state=${incident.state} />
      <span>${tOr(`grade.${incident.grade}`, incident.grade)}</span>
      <span class="age">${span((until - Date.parse(incident.opened_at)) / 1000)}</span>
      <${Flags} incident=${incident} state=${state} />
    </div>
  </div>`;
}

/** @param {Props} props */
function What({ incident, state }) {
  const zone = theCity().timezone;
  const skew = incident.clock_skew_s ?? 0;
  const facts = Object.entries(incident.facts ?? {});
  const reports = incident.report_count ?? incident.reports?.length ?? 1;
  const sent = incident.reports?.length ?? 1;
  return html`<section class="block">
    <h3>${t('what.title')}</h3>
    ${sent < reports && html`<p class="faint">${t('what.newest', { n: sent, all: reports })}</p>`}
    ${[incident.text, ...(incident.texts ?? [])].filter(Boolean).map((text, n) =>
      html`<blockquote key=${n}>${saidIn(incident, text)}</blockquote>`)}
    <${Doubt} incident=${incident} />
    <dl>
      <dt>${t('what.reported')}</dt><dd>${clockTime(incident.opened_at, zone)} · ${tOr(`channel.${incident.channel ?? 'system'}`, incident.channel ?? '')}</dd>
      ${incident.observed_at && Math.abs(skew) > SKEW_SHOWN_S && html`
        <dt>${t('what.their_clock')}</dt><dd class="warn">${clockTime(incident.observed_at, zone)}
          ${' '}(${t(skew > 0 ? 'what.ahead' : 'what.behind', { by: span(Math.abs(skew)) })})</dd>`}
      <dt>${t('what.reports')}</dt><dd>${reports > 1 ? t('what.merged', { n: reports }) : t('what.one')}</dd>
      ${incident.code && !(incident.code in theCity().categories) && html`<dt>${t('what.code')}</dt><dd>${incident.code}</dd>`}
      <dt>${t('what.cell')}</dt><dd class=${outside(incident) ? 'warn' : ''}>
        ${outside(incident) ? t('flag.outside_text') : incident.cell || '–'}</dd>
      <${ReadRows} incident=${incident} />
      ${(incident.playbooks?.length ?? 0) > 0 && html`<dt>${t('what.playbooks')}</dt>
        <dd>${incident.playbooks?.map((id) => nameOf(incident.playbook_names?.[id], id)).join(' · ')}</dd>`}
      ${incident.response_level && html`<dt>${t('what.response_level')}</dt>
        <dd>${['I', 'II', 'III', 'IV'][incident.response_level - 1]}</dd>`}
      ${incident.merged_into && html`<dt>${t('what.merged_into')}</dt>
        <dd><button type="button" class="linkish" onClick=${() =>
          select(incident.merged_into ?? '')}>${live.get().incidents.get(incident.merged_into)
          ?.number ?? incident.merged_into}</button></dd>`}
      ${(incident.joined?.length ?? 0) > 0 && html`<dt>${t('what.joined')}</dt>
        <dd>${incident.joined?.map((one) => html`<button type="button" class="linkish"
          key=${one.incident} onClick=${() => select(one.incident)}>${
          live.get().incidents.get(one.incident)?.number ?? one.incident}</button> `)}</dd>`}
    </dl>
    ${facts.length > 0 && html`<div class="facts">${facts.map(([key, value]) => html`<span
      class="chip" key=${key}>${tOr(`fact.${key}`, key)}${value === true ? '' : `: ${
        value === false ? t('no') : value}`}</span>`)}</div>`}
    ${(incident.notices ?? []).map((notice, n) => html`<p class="notice" key=${n}>
      ${nameOf(notice)}</p>`)}
    ${(incident.escalations ?? []).map((e, n) => {
      const open = isUnsettled(state, incident, e);
      return html`<p class="notice ${open ? 'bad' : 'settled'}" key=${n}>
        ${shortTime(e.at, zone)} · ${e.kind
          ? t(`escalation.${e.kind}`, { unit: callSign(e.unit ?? '') })
          : nameOf(e.notice, e.deadline)} → ${tOr(`role.${e.to_role}`, e.to_role)}
        ${!open && html` · <b>${t('escalation.settled')}</b>`}</p>`;
    })}
    ${(incident.photos?.length ?? 0) > 0 && html`<div class="photos">
      ${incident.photos?.map((photo, n) => html`<${Photo} key=${photo} id=${photo} n=${n + 1} />`)}
    </div>`}
  </section>`;
}

/** @param {Props} props */
function Requirements({ incident, state }) {
  const wanted = incident.requirements ?? [];
  return html`<section class="block">
    <h3>${t('needs.title')}</h3>
    ${!wanted.length && html`<p class="faint">${t('needs.none')}</p>`}
    ${wanted.map((r) => {
      const { had, proposed, missing } = coverage(state, incident, r);
      return html`<div class="need" key=${r.key}>
        <div class="need-what"><b>${r.count} ×</b> ${nameOf(r.names, r.skills.map(skillName).join(t('and')))}${' '}
          <span class="faint">${t('needs.within', { time: span(r.within_s) })}</span></div>
        <div class="need-who">
          ${had.map((a) => html`<${UnitChip} key=${a.id} id=${a.unit} state=${a.state} />`)}
          ${proposed.map((c) => html`<span class="unitchip proposed" key=${c.slot}
            title=${t('needs.proposed')}>${callSign(c.chosen?.unit ?? '')}</span>`)}
          ${missing > 0 && !ended(incident) && html`<span class="chip bad">
            ${t('needs.missing', { n: missing })}</span>`}
        </div>
      </div>`;
    })}
  </section>`;
}

/** @param {Props} props */
function Sent({ incident, state }) {
  useStore(tick, (n) => n);
  const all = assignmentsOf(state, incident);
  if (!all.length) return null;
  const zone = theCity().timezone;
  const now = jurisdictionNow(state, Date.now());
  return html`<section class="block">
    <h3>${t('sent.title')}</h3>
    ${all.map((a) => {
      const there = arrival(a);
      const last = a.times?.[a.state];
      const late = lateness(a, now);
      return html`<div class="sent-row ${running(a) ? '' : 'ended'}" key=${a.id}>
        <${UnitChip} id=${a.unit} state=${a.state} why=${a.end_reason} onClick=${() => ui.update((u) =>
          ({ ...u, unit: a.unit, pane: 'map' }))} />
        <div><${AssignmentChip} assignment=${a} />
          ${running(a) && html` <${FarFlag} unit=${state.units.get(a.unit)} />`}
          ${a.override && html` <span class="flag" title=${a.reason ?? ''}>${t('flag.by_hand')}</span>`}
          ${late && html`<span class="notice bad">${t(`sent.${late.why}`,
            { by: minutes(late.late_s) })}</span>`}
          <div class="faint">${there !== null && there >= now
            ? t('sent.arrives', { in: minutes((there - now) / 1000), at: clockTime(there, zone) })
            : there !== null && late?.why !== 'overdue'
              ? t('sent.overdue', { by: minutes((now - there) / 1000) })
              : last ? clockTime(last, zone) : ''}
            ${there !== null && a.length_m ? ` · ${distance(a.length_m)}` : ''}</div>
          <${Rerouted} assignment=${a} />
          <${Destination} assignment=${a} /></div>
        ${running(a) && html`<${OrderButton} kind="small quiet" orderKey=${`recall-${a.unit}`}
          onClick=${() => ask({
            kind: 'reason', title: t('recall.title', { unit: callSign(a.unit) }), action: t('recall.action'),
            run: (reason) => order(state.jurisdiction, 'recall_unit', { unit: a.unit, reason },
              { key: `recall-${a.unit}` }),
          })}>${t('recall.action')}</${OrderButton}>`}
      </div>`;
    })}
  </section>`;
}

/**
 * What changes of roads have done to the way of who is still on it.
 * @param {{assignment: import('../types.js').Assignment}} props
 */
function Rerouted({ assignment }) {
  if (!assignment.rerouted_at || !onTheWay(assignment)) return null;
  if (assignment.cut_off) return html`<span class="notice bad">${t('sent.cut_off')}</span>`;
  const added = Math.round(assignment.added_s ?? 0);
  return html`<span class="notice ${added > 0 ? 'warn' : ''}">${t(
    added > 0 ? 'sent.rerouted' : added < 0 ? 'sent.rerouted_sooner' : 'sent.rerouted_same',
    { time: minutes(Math.abs(added)) })}</span>`;
}

/** @param {Props} props */
function Tasks({ incident, state }) {
  const tasks = (incident.tasks ?? []).map((id) => state.tasks.get(id)).filter((x) => !!x);
  if (!tasks.length) return null;
  const zone = theCity().timezone;
  return html`<section class="block">
    <h3>${t('tasks.title')}</h3>
    ${tasks.map((task) => html`<div class="task" key=${task.id}>
      <div><b>${nameOf(task.title, task.id)}</b>
        <div class="faint">${task.assignee || tOr(`role.${task.role}`, task.role)} ·
          ${' '}${t('tasks.due', { at: shortTime(task.due, zone) })}
          ${task.note && ` · ${task.note}`}</div></div>
      <${StateChip} state=${task.state} what="task" />
    </div>`)}
  </section>`;
}

/**
 * What takes back the end of an incident.
 * @param {{incident: import('../types.js').Incident}} props
 */
function Undo({ incident }) {
  const kind = undoing(incident);
  const { jurisdiction, incidents } = live.get();
  const into = incidents.get(incident.merged_into ?? '');
  const key = `${kind}-${incident.id}`;
  return html`<footer class="detail-actions">
    <${OrderButton} orderKey=${key} onClick=${() => ask({
      kind: 'reason',
      title: t(`undoing.${kind}.title`, { number: incident.number }),
      text: t(`undoing.${kind}.text`, { into: into?.number ?? incident.merged_into ?? '' }),
      action: t(`undoing.${kind}`),
      run: (reason) => order(jurisdiction, kind, { incident: incident.id, reason }, { key }),
    })}>${t(`undoing.${kind}`)}</${OrderButton}>
  </footer>`;
}

/** @param {{incident: import('../types.js').Incident}} props */
function Actions({ incident }) {
  const proposed = useStore(live, (s) => s.proposals.has(incident.proposal ?? ''));
  if (ended(incident)) return html`<${Undo} incident=${incident} />`;
  const overridden = incident.by_hand || incident.pins?.length || incident.bans?.length;
  const { jurisdiction } = live.get();
  return html`<footer class="detail-actions">
    ${!proposed && html`<button type="button" class="button"
      onClick=${() => ask({ kind: 'choose', incident: incident.id })}>
      ${t('action.choose')} <kbd>o</kbd></button>`}
    <button type="button" class="button" onClick=${() => ask({ kind: 'triage', incident: incident.id })}>
      ${t('action.triage')}</button>
    ${isPlaced(incident) && html`<button type="button" class="button"
      onClick=${() => ask({ kind: 'place', incident: incident.id })}>${t('place.correct')}</button>`}
    <button type="button" class="button" onClick=${() => ask({ kind: 'merge', incident: incident.id })}>
      ${t('action.merge')}</button>
    <button type="button" class="button" onClick=${() => ask({ kind: 'close', incident: incident.id })}>
      ${t('action.close')}</button>
    ${overridden ? html`<${OrderButton} orderKey=${`machine-${incident.id}`}
      onClick=${() => order(jurisdiction, 'lift_override', { incident: incident.id },
        { key: `machine-${incident.id}` })}>${t('action.machine')}</${OrderButton}>` : null}
  </footer>`;
}
