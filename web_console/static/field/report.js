// The report form: what, where, a photo, send. One hand, big targets, the send button at the thumb.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { dayOf, shortTime } from '../lib/format.js';
import { nameOf, t, tOr } from '../lib/i18n.js';
import { uuid7 } from '../lib/ids.js';
import { prefs } from '../lib/prefs.js';
import { useStore } from '../lib/store.js';
import { Icon, offered } from './icons.js';
import { add } from './outbox.js';
import { isOver } from './over.js';
import { tidy } from './pictures.js';
import { Place, gps, locate, pointOf } from './place.js';
import { Shots } from './shots.js';
import { BLANK, draft, here, isBlank, live, setDraft, tab } from './state.js';

/** Before that it may have been another day. */
const LONG_AGO_MS = 43200000;

let sending = false;

async function send() {
  const d = draft.get();
  // A second tap while the first is being saved would be a second report.
  if (sending || isOver(live.get())) return;
  if (!d.category && !d.text.trim() && !d.photos.length) {
    setDraft({ errors: [{ field: 'body', code: 'nothing', message: t('field.nothing') }] });
    return;
  }
  /** @type {Record<string, any>} */
  const body = {
    jurisdiction: here().jurisdiction, observed_at: new Date().toISOString(),
    language: prefs.get().lang, text: d.text.trim(), place: d.place.trim(),
  };
  // A worker's choice is a structured code: it decides over the words.
  if (d.category) Object.assign(body, { category: d.category, code: d.category });
  if (d.at) Object.assign(body, pointOf(d.at));
  sending = true;
  await add(uuid7(), body, d.photos.map((id) => ({ id, state: 'waiting' })));
  sending = false;
  draft.set({ ...BLANK, at: d.at });
  tab.set('mine');
}

export function Report() {
  const d = useStore(draft, (x) => x);
  const over = useStore(live, isOver);
  const { city } = here();
  const kinds = offered(city.categories);
  const roots = Object.keys(city.categories).filter((id) => !id.includes('.'));
  useEffect(() => {
    if (!draft.get().at && gps.get() === 'no') locate(setDraft);
  }, []);
  return html`<div class="page">
    <${Kept} />
    ${d.errors.length > 0 && html`<div class="notice bad" role="alert">${d.errors.map((e, n) => html`<p
      key=${n}>${e.field === 'body' ? '' : `${tOr(`fieldname.${e.field.split('.')[0]}`, e.field)}: `}${e.message}</p>`)}</div>`}
    <section class="card">
      <h2>${t('field.what')}</h2>
      <div class="kinds" role="group" aria-label=${t('field.what')}>
        ${kinds.map((id) => html`<button type="button" key=${id} class="kind"
          aria-pressed=${d.category === id}
          onClick=${() => setDraft({ category: d.category === id ? '' : id, errors: [] })}>
          <${Icon} id=${id} /><span>${nameOf(city.categories[id], id)}</span></button>`)}
      </div>
      <label class="field"><span>${t('field.other')}</span>
        <select value=${kinds.includes(d.category) ? '' : d.category}
          onChange=${(/** @type {any} */ e) => setDraft({ category: e.currentTarget.value, errors: [] })}>
          <option value="">–</option>
          ${roots.map((root) => html`<optgroup key=${root} label=${nameOf(city.categories[root])}>
            ${Object.keys(city.categories).filter((id) => id.startsWith(`${root}.`)
              && !kinds.includes(id)).map((id) => html`<option key=${id} value=${id}
              selected=${id === d.category}>${nameOf(city.categories[id], id)}</option>`)}
          </optgroup>`)}</select></label>
      <label class="field"><span>${t('field.text')}</span>
        <textarea rows="2" maxlength="4000" value=${d.text} placeholder=${t('field.text_hint')}
          aria-invalid=${d.errors.some((e) => e.field === 'text')}
          onInput=${(/** @type {any} */ e) => setDraft({ text: e.currentTarget.value, errors: [] })}></textarea>
      </label>
      <${Shots} photos=${d.photos} onChange=${(/** @type {string[]} */ photos) =>
        setDraft({ photos, errors: [] })} label=${t('field.photo')} />
    </section>
    <${Place} at=${d.at} place=${d.place} onChange=${setDraft} />
    <${Clear} />
    <div class="act"><button type="button" class="button big primary" disabled=${over}
      onClick=${send}>
      ${t('field.send')}</button></div>
  </div>`;
}

/** That what stands here was written before this page was opened, so that it isn't sent unread. */
function Kept() {
  const d = useStore(draft, (x) => x);
  if (!d.keptAt || isBlank(d)) return null;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const day = Date.now() - d.keptAt > LONG_AGO_MS ? `${dayOf(d.keptAt, zone)} ` : '';
  return html`<p class="notice" role="status">${t('field.draft_kept', {
    at: day + shortTime(d.keptAt, zone) })}</p>`;
}

/** Clears what is written, asked once more: a wet thumb slips. */
function Clear() {
  const d = useStore(draft, (x) => x);
  const [asks, setAsks] = useState(false);
  if (isBlank(d)) return null;
  const clear = () => {
    setAsks(false);
    draft.set({ ...BLANK, at: d.keptAt ? null : d.at });
    tidy();
    if (!draft.get().at) locate(setDraft);
  };
  if (!asks) {
    return html`<button type="button" class="button big quiet" onClick=${() => setAsks(true)}>
      ${t('field.clear')}</button>`;
  }
  return html`<div class="card" role="group" aria-label=${t('field.clear')}>
    <p>${t('field.clear_ask')}</p>
    <div class="two"><button type="button" class="button big" onClick=${() => setAsks(false)}>
        ${t('field.clear_no')}</button>
      <button type="button" class="button big danger" onClick=${clear}>${t('field.clear_yes')}</button>
    </div></div>`;
}
