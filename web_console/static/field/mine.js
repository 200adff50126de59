// My reports: whether each is on this phone or received, and what became of it.

import { html } from 'htm/preact';

import { clockTime } from '../lib/format.js';
import { nameOf, t, tOr } from '../lib/i18n.js';
import { useStore } from '../lib/store.js';
import { following, isReport } from './entry.js';
import { entries, nextTry, remove, replacePhoto } from './outbox.js';
import { Shoot } from './shots.js';
import { BLANK, draft, here, live, tab, tick } from './state.js';

export function Mine() {
  const all = useStore(entries, (e) => e).filter(isReport);
  const state = useStore(live, (s) => s);
  if (!all.length) {
    return html`<div class="page"><div class="empty"><strong>${t('field.none')}</strong>
      <p>${t('field.none_text')}</p><button type="button" class="button big primary"
      onClick=${() => tab.set('report')}>${t('field.report')}</button></div></div>`;
  }
  /** @type {Map<string, import('../types.js').Incident>} */
  const became = new Map();
  for (const incident of state.incidents.values()) {
    for (const report of incident.reports ?? []) became.set(report, incident);
  }
  return html`<div class="page">${all.map((entry) => html`<${Mail} key=${entry.id} entry=${entry}
    incident=${became.get(entry.id)} state=${state} />`)}</div>`;
}

/**
 * @param {{entry: import('./entry.js').Entry,
 *   incident: import('../types.js').Incident | undefined,
 *   state: import('../types.js').LiveState}} props
 */
function Mail({ entry, incident, state }) {
  const { city } = here();
  const { body } = entry;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const correct = () => {
    draft.set({
      ...BLANK,
      text: incident ? t('field.correction_of', { number: incident.number }) : '',
      category: body.category ?? '',
      place: body.place ?? '',
      at: body.lon === undefined ? null
        : { lon: body.lon, lat: body.lat, accuracy: body.accuracy_m ?? null, by: 'map' },
    });
    tab.set('report');
  };
  const mend = async () => {
    draft.set({
      ...BLANK, category: body.category ?? '', text: body.text ?? '', place: body.place ?? '',
      at: body.lon === undefined ? null
        : { lon: body.lon, lat: body.lat, accuracy: body.accuracy_m ?? null, by: 'map' },
      photos: entry.photos.map((photo) => photo.id),
      errors: entry.errors?.length ? entry.errors
        : [{ field: 'body', code: '', message: entry.message ?? '' }],
    });
    await remove(entry.id);
    tab.set('report');
  };
  const crews = incident ? (incident.assignments ?? []).flatMap((id) => {
    const a = state.assignments.get(id);
    return a && a.state !== 'cancelled' ? [state.units.get(a.unit)?.call_sign || a.unit] : [];
  }) : [];
  return html`<article class="card mail mail-${entry.state}">
    <div class="mail-head"><b>${nameOf(city.categories[body.category], body.category)
      || body.text || t('field.photo')}</b>
      <time class="faint tab">${clockTime(entry.at, zone)}</time></div>
    ${body.category && body.text && html`<p>${body.text}</p>`}
    ${body.place && html`<p class="faint">${body.place}</p>`}
    <${Where} entry=${entry} zone=${zone} />
    <${LeftOut} entry=${entry} />
    ${entry.state === 'refused' && html`<div class="notice bad">${entry.errors?.length
      ? entry.errors.map((e, n) => html`<p key=${n}>${tOr(`fieldname.${e.field.split('.')[0]}`, e.field)}: ${e.message}</p>`)
      : html`<p>${entry.message}</p>`}</div>`}
    ${incident && html`<p class="became">${t('field.became', {
      number: incident.number, state: t(`incident.${incident.state}`) })}
      ${crews.length > 0 && ` · ${t('field.crews', { units: crews.join(', ') })}`}</p>`}
    <div class="two">
      ${entry.state === 'received' && html`<button type="button" class="button big"
        onClick=${correct}>${t('field.correct')}</button>`}
      ${entry.state === 'refused' && html`<button type="button" class="button big primary"
        onClick=${mend}>${t('field.retry')}</button>
        <button type="button" class="button big" onClick=${() => remove(entry.id)}>
          ${t('field.remove')}</button>`}
    </div>
  </article>`;
}

/**
 * Whether an entry is on this phone, on its way or received.
 * @param {{entry: import('./entry.js').Entry, zone: string}} props
 */
export function Where({ entry, zone }) {
  const next = useStore(nextTry, (n) => n);
  const now = useStore(tick, (n) => n);
  const photos = following(entry);
  const text = entry.state === 'received'
    ? `${t('field.received', { at: clockTime(entry.receivedAt, zone) })}${
      photos ? ` · ${t('field.photos_follow', { n: photos })}` : ''}`
    : entry.state === 'refused' ? t('field.refused')
      : entry.state === 'sending' ? t('field.sending')
        : `${t('field.saved')}${next ? ` · ${t('field.waiting', {
          n: Math.max(1, Math.ceil((next - now) / 1000)) })}` : ''}`;
  return html`<p class="where where-${entry.state}" role="status"><span class="lamp"
    aria-hidden="true"></span>${text}</p>`;
}

/**
 * Which photos the server couldn't take, and why; the words have arrived without them.
 * @param {{entry: import('./entry.js').Entry}} props
 */
export function LeftOut({ entry }) {
  return entry.photos.filter((photo) => photo.state === 'left_out').map((photo) => html`<div
    class="notice bad" role="alert" key=${photo.id}>
    <p>${t('field.photo_left_out', { why: photo.message ?? '' })}</p>
    <${Shoot} label=${t('field.photo_again')} onFiles=${(/** @type {File[]} */ files) => {
      if (files.length) replacePhoto(entry.id, photo.id, files[0]);
    }} /></div>`);
}
