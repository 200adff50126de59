// What this person must do, by when, with what proof: accept, and say that it is done.

import { html } from 'htm/preact';
import { useMemo, useState } from 'preact/hooks';

import { shortTime, span } from '../lib/format.js';
import { ApiError, post } from '../lib/http.js';
import { nameOf, t } from '../lib/i18n.js';
import { useStore } from '../lib/store.js';
import { jurisdictionNow } from '../live.js';
import { shrink } from './photo.js';
import { here, live, tick } from './state.js';

const ENDED = new Set(['done', 'cancelled']);

/** @param {import('../types.js').LiveState} state */
export function myTasks(state) {
  const { me } = here();
  const cells = new Set(me.cells ?? []);
  return [...state.tasks.values()].filter((task) => task.role === 'grid_worker'
    && (task.assignee ? task.assignee === me.name : !task.cell || cells.has(task.cell)))
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
  const [note, setNote] = useState('');
  const [photos, setPhotos] = useState(/** @type {Blob[]} */ ([]));
  const [sent, setSent] = useState('');
  const [error, setError] = useState('');
  const urls = useMemo(() => photos.map((p) => URL.createObjectURL(p)), [photos]);
  const { city } = here();
  const incident = state.incidents.get(task.incident);
  const left = (Date.parse(task.due) - jurisdictionNow(state, Date.now())) / 1000;
  const ended = ENDED.has(task.state);
  const needsPhoto = task.proof === 'photo' && !photos.length;
  const needsNote = task.proof === 'note' && !note.trim();
  const waiting = sent !== '' && sent !== task.state;

  /** @param {'accepted' | 'done'} to */
  const say = async (to) => {
    setSent(to);
    setError('');
    try {
      const ids = [];
      if (to === 'done') {
        for (const photo of photos) {
          const form = new FormData();
          form.append('photo', photo, 'photo.jpg');
          ids.push((await post('/api/photos', form)).id);
        }
      }
      await post(`/api/tasks/${encodeURIComponent(task.id)}?jurisdiction=${
        encodeURIComponent(state.jurisdiction)}`,
      { state: to, ...(note.trim() ? { note: note.trim() } : {}), ...(ids.length ? { photos: ids } : {}) });
    } catch (problem) {
      setSent('');
      setError(problem instanceof ApiError
        ? problem.errors.map((e) => e.message).join(' · ') || problem.message : String(problem));
    }
  };
  return html`<article class="card task-card ${ended ? 'ended' : ''}">
    <div class="mail-head"><b>${nameOf(task.title, task.id)}</b>
      <span class="chip state-${task.state}">${t(`task.${task.state}`)}</span></div>
    ${incident && html`<p class="faint">${incident.number} · ${
      nameOf(city.categories[incident.category], incident.category)} · ${incident.place}</p>`}
    ${!ended && html`<p class=${left < 0 ? 'late' : ''}>${t('field.due', {
      at: shortTime(task.due, city.timezone) })} · ${left < 0
      ? t('field.late', { n: span(-left) }) : t('field.due_in', { n: span(left) })}</p>`}
    ${task.note && html`<p>${task.note}</p>`}
    ${error && html`<p class="notice bad" role="alert">${error}</p>`}
    ${!ended && task.state === 'assigned' && html`<button type="button" class="button big primary"
      disabled=${waiting} onClick=${() => say('accepted')}>
      ${t(waiting ? 'order.sent' : 'field.accept')}</button>`}
    ${!ended && task.state !== 'assigned' && html`
      <label class="field"><span>${t(task.proof === 'note' ? 'field.proof_note' : 'field.note')}</span>
        <textarea rows="2" maxlength="2000" value=${note}
          onInput=${(/** @type {any} */ e) => setNote(e.currentTarget.value)}></textarea></label>
      <div class="shots">${urls.map((url, n) => html`<button type="button" class="shot" key=${url}
        aria-label=${t('field.photo_remove', { n: n + 1 })}
        onClick=${() => setPhotos(photos.filter((_, i) => i !== n))}>
        <img src=${url} alt="" /><span aria-hidden="true">×</span></button>`)}
        <label class="button big shoot">${t(task.proof === 'photo' ? 'field.proof_photo' : 'field.photo')}
          <input type="file" accept="image/jpeg,image/png,image/webp" capture="environment"
            onChange=${async (/** @type {any} */ e) => {
              const made = await Promise.all([...(e.currentTarget.files ?? [])].map(shrink));
              setPhotos([...photos, ...made]);
            }} /></label></div>
      <button type="button" class="button big primary" disabled=${waiting || needsPhoto || needsNote}
        onClick=${() => say('done')}>${t(waiting ? 'order.sent' : 'field.done')}</button>`}
  </article>`;
}
