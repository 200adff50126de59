// My reports: whether each is on this phone or received, what became of it, and where it is if it was
// sent without a place.

import { html } from 'htm/preact';
import { useEffect } from 'preact/hooks';

import { clockTime } from '../lib/format.js';
import { nameOf, t, tOr } from '../lib/i18n.js';
import { uuid7 } from '../lib/ids.js';
import { useStore } from '../lib/store.js';
import { ended, isPlaced } from '../live.js';
import { following, isReport, isWaiting } from './entry.js';
import { add, entries, nextTry, remove, replacePhoto } from './outbox.js';
import { Place, pointOf } from './place.js';
import { Shoot } from './shots.js';
import {
  BLANK, draft, here, live, placeDrafts, setPlaceDraft, tab, tick,
} from './state.js';

/** @type {import('./state.js').PlaceDraft} */
const NOWHERE = { at: null, place: '' };

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
    for (const report of incident.reports ?? []) {
      // That of a duplicate is also in the incident that took it in.
      if (!became.has(report) || !ended(incident)) became.set(report, incident);
    }
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
    ${entry.state === 'received' && incident && !ended(incident) && html`<${Placing} report=${entry.id}
      incident=${incident} zone=${zone} />`}
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
 * Where a report is, asked of who sent it while nobody knows, and what became of the answer.
 * @param {{report: string, incident: import('../types.js').Incident, zone: string}} props
 */
function Placing({ report, incident, zone }) {
  const written = useStore(placeDrafts, (all) => all[report]);
  const said = useStore(entries, (all) => all.find((entry) => entry.report === report));
  const waiting = useStore(tick, () => said !== undefined && isWaiting(said));
  const { at, place } = written ?? NOWHERE;
  const placed = isPlaced(incident);

  useEffect(() => {
    if (placed && written) setPlaceDraft(report, null);
  }, [placed, written]);

  if (placed) return said && html`<p class="placed">${t('field.placed')}</p>`;
  if (waiting) {
    return html`<p class="notice">${t('field.place_sent')}</p>
      <${Where} entry=${said} zone=${zone} />`;
  }
  const send = async () => {
    if (!at) return;
    const words = place.trim();
    if (said) await remove(said.id);
    await add(uuid7(), {
      jurisdiction: here().jurisdiction, ...pointOf(at), ...(words && { place: words }),
    }, [], { report });
  };
  return html`${said && html`<div class="notice bad" role="alert">${said.state === 'received'
      ? t('field.place_unanswered') : said.errors?.length ? said.errors.map((e) => e.message).join(' ')
        : said.message}</div>`}
    <${Place} at=${at} place=${place} title=${t('field.no_place')} needsPoint
      onChange=${(/** @type {Partial<import('./state.js').PlaceDraft>} */ change) => setPlaceDraft(
        report, { ...(placeDrafts.get()[report] ?? NOWHERE), ...change })} />
    <button type="button" class="button big primary" disabled=${!at} onClick=${send}>
      ${t('field.place_send')}</button>`;
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
