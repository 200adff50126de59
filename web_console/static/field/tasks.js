// What this person must do, by when, with what proof: accept, and say that it is done.

import { html } from 'htm/preact';
import { useEffect } from 'preact/hooks';

import { shortTime, span } from '../lib/format.js';
import { nameOf, t, tOr } from '../lib/i18n.js';
import { uuid7 } from '../lib/ids.js';
import { useStore } from '../lib/store.js';
import { jurisdictionNow } from '../live.js';
import { following, isWaiting } from './entry.js';
import { LeftOut, Where } from './mine.js';
import { add, entries, remove } from './outbox.js';
import { Shots } from './shots.js';
import { here, live, setTaskDraft, taskDrafts, tick } from './state.js';

/** @type {import('./state.js').TaskDraft} */
const NOTHING = { note: '', photos: [] };
const ENDED = new Set(['done', 'cancelled']);

/** @param {import('../types.js').LiveState} state */
export function myTasks(state) {
  const { me } = here();
  const cells = new Set(me.cells ?? []);
  return [...state.tasks.values()].filter((task) => task.role === 'grid_worker'
    && (task.assignee === me.name || cells.has(task.cell ?? '') || (!task.assignee && !task.cell)))
    .sort((a, b) => Number(ENDED.has(a.state)) - Number(ENDED.has(b.state))
      || (a.due < b.due ? -1 : 1));
}

/** @param {import('../types.js').LiveState} state */
export const openTasks = (state) => myTasks(state).filter((task) => !ENDED.has(task.state)).length;

export function Tasks() {
  const state = useStore(live, (s) => s);
  useStore(tick, (n) => Math.floor(n / 5000));
  const all = myTasks(state);
  if (!all.length) {
    return html`<div class="page"><div class="empty"><strong>${t('field.no_tasks')}</strong>
      <p>${t('field.no_tasks_text')}</p></div></div>`;
  }
  return html`<div class="page">${all.map((task) => html`<${TaskCard} key=${task.id} task=${task}
    state=${state} />`)}</div>`;
}

/**
 * @param {{task: import('../types.js').Task, state: import('../types.js').LiveState}} props
 */
function TaskCard({ task, state }) {
  const draft = useStore(taskDrafts, (all) => all[task.id]);
  const { note, photos } = draft ?? NOTHING;
  const said = useStore(entries, (all) => all.find((entry) => entry.task === task.id));
  const { city } = here();
  const incident = state.incidents.get(task.incident);
  const left = (Date.parse(task.due) - jurisdictionNow(state, Date.now())) / 1000;
  const ended = ENDED.has(task.state);
  const needsPhoto = task.proof === 'photo' && !photos.length;
  const needsNote = task.proof === 'text' && !note.trim();
  const answered = said === undefined || said.body.state === task.state || ended;
  const waiting = !answered && isWaiting(said);

  const received = waiting && said.state === 'received';

  // Kept until then: what the desk refuses is said once more.
  useEffect(() => {
    if (ended && draft) setTaskDraft(task.id, null);
  }, [ended, draft]);

  /** @param {'accepted' | 'done'} to */
  const say = async (to) => {
    const proof = photos.map((id) => said?.photos.find((photo) => photo.id === id)
      ?? { id, state: /** @type {'waiting'} */ ('waiting') });
    if (said) await remove(said.id);
    await add(uuid7(), {
      jurisdiction: state.jurisdiction, state: to, ...(note.trim() && { note: note.trim() }),
    }, to === 'done' ? proof : [], { task: task.id });
  };
  return html`<article class="card task-card ${ended ? 'ended' : ''}">
    <div class="mail-head"><b>${nameOf(task.title, task.id)}</b>
      <span class="chip state-${task.state}">${t(`task.${task.state}`)}</span></div>
    ${incident && html`<p class="faint">${incident.number} · ${
      nameOf(city.categories[incident.category], incident.category)}${incident.place && ` · ${incident.place}`}</p>`}
    ${!ended && html`<p class=${left < 0 ? 'late' : ''}>${t('field.due', {
      at: shortTime(task.due, city.timezone) })} · ${left < 0
      ? t('field.late', { n: span(-left) }) : t('field.due_in', { n: span(left) })}</p>`}
    ${task.note && html`<p>${task.note}</p>`}
    ${said && (waiting || said.state === 'refused' || following(said) > 0) && html`<${Where}
      entry=${said} zone=${Intl.DateTimeFormat().resolvedOptions().timeZone} />`}
    ${said && html`<${LeftOut} entry=${said} />`}
    ${said?.state === 'refused' && !answered && html`<div class="notice bad" role="alert">${
      said.errors?.length ? said.errors.map((e, n) => html`<p key=${n}>${
        tOr(`fieldname.${e.field.split('.')[0]}`, e.field)}: ${e.message}</p>`) : said.message}</div>`}
    ${!ended && task.state === 'assigned' && html`<button type="button" class="button big primary"
      disabled=${waiting} onClick=${() => say('accepted')}>
      ${t(received ? 'order.sent' : 'field.accept')}</button>`}
    ${!ended && task.state !== 'assigned' && html`
      <label class="field"><span>${t(needsNote ? 'field.proof_note' : 'field.note')}</span>
        <textarea rows="2" maxlength="2000" value=${note}
          onInput=${(/** @type {any} */ e) => setTaskDraft(task.id, {
            note: e.currentTarget.value, photos })}></textarea></label>
      <${Shots} photos=${photos} onChange=${(/** @type {string[]} */ ids) =>
        setTaskDraft(task.id, { note, photos: ids })}
        label=${t(needsPhoto ? 'field.proof_photo' : 'field.photo')} />
      <button type="button" class="button big primary" disabled=${waiting || needsPhoto || needsNote}
        onClick=${() => say('done')}>${t(received ? 'order.sent' : 'field.done')}</button>`}
  </article>`;
}
