// What happened to an incident, in words, out of the journal. Asks again when the incident's
// `updated_seq` moved, at most once in a while. A sentence for each event type is in the catalogue.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { clockTime, distance, minutes, saidApart } from '../lib/format.js';
import { get } from '../lib/http.js';
import { assignmentWord, nameOf, t, tOr } from '../lib/i18n.js';
import { hospitalName } from './hospitals.js';
import { refusal } from './orders.js';
import { categoryName } from './parts.js';
import { callSign, live, theCity } from './state.js';

const PAUSE_MS = 1500;

/** @param {{incident: import('../types.js').Incident}} props */
export function Timeline({ incident }) {
  const [entries, setEntries] = useState(/** @type {import('../types.js').LogEntry[] | null} */ (null));
  const [archived, setArchived] = useState(false);
  const [failed, setFailed] = useState(false);
  const last = useRef(0);
  useEffect(() => {
    let gone = false;
    const wait = Math.max(0, last.current + PAUSE_MS - Date.now());
    const timer = setTimeout(async () => {
      last.current = Date.now();
      try {
        const answer = await get(`/api/incidents/${encodeURIComponent(incident.id)}/log?jurisdiction=${
          encodeURIComponent(live.get().jurisdiction)}`);
        if (!gone) {
          setEntries(answer.items);
          setArchived(answer.archived);
          setFailed(false);
        }
      } catch {
        if (!gone) setFailed(true);
      }
    }, wait);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [incident.id, incident.updated_seq]);
  const zone = theCity().timezone;
  return html`<section class="block timeline">
    <h3>${t('timeline.title')}</h3>
    ${failed && html`<p class="faint">${t('timeline.failed')}</p>`}
    ${archived && html`<p class="faint">${t('timeline.archived')}</p>`}
    ${!entries && !failed && html`<p class="faint">${t('timeline.loading')}</p>`}
    <ol>${[...(entries ?? [])].reverse().map((entry) => html`<li key=${entry.seq}>
      <time class="tab">${clockTime(entry.time, zone)}</time>
      <span>${sentence(entry)}</span></li>`)}</ol>
  </section>`;
}

/**
 * @param {import('../types.js').LogEntry} entry
 * @returns {string}
 */
export function sentence(entry) {
  const type = entry.type.replace(/^gridcommand\./, '');
  const data = entry.data ?? {};
  const who = data.by || entry.by || '';
  /** @type {Record<string, string | number>} */
  const values = {
    unit: callSign(data.unit ?? entry.unit ?? ''),
    by: who ? tOr(`by.${who}`, who) : t('by.machine'),
    reason: data.reason ? tOr(`because.${data.reason}`, tOr(`unit.${data.reason}`, data.reason)) : '',
    state: data.state ?? '',
    category: data.category ? categoryName(data.category) : '',
    priority: data.priority ?? '',
    units: [...new Set(data.units ?? chosenOf(data))].map(callSign).join(', '),
    title: type === 'escalation.raised' && data.kind
      ? t(`escalation.${data.kind}`, { unit: callSign(data.unit ?? '') })
      : nameOf(data.title ?? data.notice, data.task ?? data.deadline ?? ''),
    device: data.device ?? '',
    detail: data.code ? refusal(data.code, data.detail ?? '') : data.detail ?? '',
    role: data.to_role ? tOr(`role.${data.to_role}`, data.to_role) : data.assignee || (data.role
      ? tOr(`role.${data.role}`, data.role) : ''),
    playbooks: (data.playbooks ?? []).map((/** @type {string} */ id) =>
      nameOf(data.names?.[id], id)).join(', '),
    n: data.requirements?.length ?? 0,
    hospital: data.hospital ? hospitalName(data.hospital) : t('hospitals.none_open'),
    to: live.get().incidents.get(data.to ?? '')?.number ?? data.to ?? '',
    duplicate: live.get().incidents.get(data.duplicate ?? '')?.number ?? data.duplicate ?? '',
    gain: minutes(data.gain_s ?? 0),
    added: minutes(Math.abs(data.added_s ?? 0)),
    away: distance(data.away_m ?? 0),
  };
  if (type === 'planning.fell_back') {
    Object.assign(values, { used: tOr(`policy.${data.used}`, data.used), error: data.error });
  }
  let key = `log.${type}`;
  if (type === 'incident.moved') values.state = tOr(`incident.${values.state}`, `${values.state}`);
  if (type === 'assignment.moved') {
    values.state = assignmentWord(`${values.state}`, data.reason);
  }
  if (type === 'task.moved' || type === 'task.reported') {
    values.state = tOr(`task.${values.state}`, `${values.state}`);
  }
  if (type === 'unit.moved' || type === 'unit.status_reported') {
    values.state = tOr(`unit.${values.state}`, `${values.state}`);
  }
  if (type === 'unit.diverted') {
    const left = live.get().assignments.get(data.assignment);
    key = `log.unit.diverted.${data.kind === 'relief' && left?.cut_off ? 'cut_off' : data.kind}`;
  }
  if (type === 'assignment.rerouted') {
    const added = Math.round(data.added_s ?? 0);
    if (data.cut_off) key += '.cut_off';
    else if (added <= 0) key += added < 0 ? '.sooner' : '.same';
    values.reason = t(`because.${data.why}`);
  }
  if (type === 'report.linked' && data.merged_from) key += '.merged';
  if (type === 'report.ended' && data.by_itself) key += '.by_itself';
  if (type === 'unit.held' && data.held === false) key = 'log.unit.lifted';
  if (type === 'unit.queued' && data.queued === false) key = 'log.unit.unqueued';
  if (type === 'proposal.withdrawn') values.reason = tOr(`withdrawn.${data.why}`, data.why ?? '');
  if (type === 'proposal.made' && !values.units) key = 'log.proposal.made_empty';
  const text = tOr(key, type).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
  const tail = values.reason && type !== 'proposal.withdrawn' ? t('log.because', {
    reason: values.reason }) : '';
  const apart = type === 'assignment.moved'
    && saidApart(data.observed_at, entry.time, theCity().timezone);
  return text + tail + (apart ? t('log.said_apart', apart) : '');
}

/** @param {Record<string, any>} data */
function chosenOf(data) {
  /** @type {any[]} */
  const choices = data.choices ?? [];
  return choices.flatMap((c) => (c.chosen ? [c.chosen.unit] : []));
}
