// The report form: what, where, a photo, send. One hand, big targets, the send button at the thumb.

import { html } from 'htm/preact';
import { useEffect, useMemo } from 'preact/hooks';

import { nameOf, t, tOr } from '../lib/i18n.js';
import { uuid7 } from '../lib/ids.js';
import { prefs } from '../lib/prefs.js';
import { useStore } from '../lib/store.js';
import { Icon, offered } from './icons.js';
import { add } from './outbox.js';
import { shrink } from './photo.js';
import { Place, gps, locate } from './place.js';
import { BLANK, draft, here, setDraft, tab } from './state.js';

const PHOTOS_MOST = 5;

async function send() {
  const d = draft.get();
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
  if (d.at) {
    body.lon = Number(d.at.lon.toFixed(6));
    body.lat = Number(d.at.lat.toFixed(6));
    if (d.at.accuracy !== null) body.accuracy_m = d.at.accuracy;
  }
  await add(uuid7(), body, d.photos);
  draft.set({ ...BLANK, at: d.at });
  tab.set('mine');
}

export function Report() {
  const d = useStore(draft, (x) => x);
  const { city } = here();
  const kinds = offered(city.categories);
  const roots = Object.keys(city.categories).filter((id) => !id.includes('.'));
  useEffect(() => {
    if (!draft.get().at && gps.get() === 'no') locate();
  }, []);
  return html`<div class="page">
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
      <${Photos} photos=${d.photos} />
    </section>
    <${Place} />
    <div class="act"><button type="button" class="button big primary" onClick=${send}>
      ${t('field.send')}</button></div>
  </div>`;
}

/** @param {{photos: Blob[]}} props */
function Photos({ photos }) {
  const urls = useMemo(() => photos.map((p) => URL.createObjectURL(p)), [photos]);
  useEffect(() => () => urls.forEach((url) => URL.revokeObjectURL(url)), [urls]);
  /** @param {any} event */
  const take = async (event) => {
    const input = event.currentTarget;
    const files = [...(input.files ?? [])].slice(0, PHOTOS_MOST - draft.get().photos.length);
    const made = await Promise.all(files.map(shrink));
    input.value = '';
    setDraft({ photos: [...draft.get().photos, ...made], errors: [] });
  };
  return html`<div class="shots">
    ${urls.map((url, n) => html`<button type="button" class="shot" key=${url}
      aria-label=${t('field.photo_remove', { n: n + 1 })}
      onClick=${() => setDraft({ photos: photos.filter((_, i) => i !== n) })}>
      <img src=${url} alt="" /><span aria-hidden="true">×</span></button>`)}
    ${photos.length < PHOTOS_MOST && html`<label class="button big shoot">
      <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path fill-rule="evenodd"
      d="M8.500 4l-1.300 2.500H4A1.500 1.500 0 0 0 2.500 8v10A1.500 1.500 0 0 0 4 19.500h16a1.500 1.500 0 0 0 1.500-1.500V8A1.500 1.500 0 0 0 20 6.500h-3.200L15.500 4zM12 9a4 4 0 1 1 0 8 4 4 0 0 1 0-8z" /></svg>
      ${t('field.photo')}
      <input type="file" accept="image/jpeg,image/png,image/webp" capture="environment" multiple
        onChange=${take} /></label>`}
  </div>`;
}
