// Photos to be sent: taken, looked at, removed. One that this browser can't draw says so; it goes
// all the same.

import { html } from 'htm/preact';
import { useEffect, useMemo, useState } from 'preact/hooks';

import { t } from '../lib/i18n.js';
import { useStore } from '../lib/store.js';
import { pictures, take, tidy } from './pictures.js';

const PHOTOS_MOST = 5;

/**
 * @param {{photos: string[], label: string, onChange: (photos: string[]) => void}} props
 */
export function Shots({ photos, label, onChange }) {
  /** @param {string} id */
  const remove = (id) => {
    onChange(photos.filter((other) => other !== id));
    tidy();
  };
  return html`<div class="shots">
    ${photos.map((id, n) => html`<${Shot} key=${id} id=${id} n=${n + 1} onRemove=${() => remove(id)} />`)}
    ${photos.length < PHOTOS_MOST && html`<${Shoot} label=${label} multiple=${true}
      onFiles=${(/** @type {File[]} */ files) => onChange([
        ...photos, ...files.slice(0, PHOTOS_MOST - photos.length).map((file) => take(file))])} />`}
  </div>`;
}

/** @param {{id: string, n: number, onRemove: () => void}} props */
function Shot({ id, n, onRemove }) {
  const blob = useStore(pictures, (all) => all.get(id)?.blob);
  const url = useMemo(() => (blob ? URL.createObjectURL(blob) : ''), [blob]);
  const [undrawn, setUndrawn] = useState('');
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return html`<button type="button" class="shot" onClick=${onRemove}
    aria-label=${t('field.photo_remove', { n })}>
    ${url && url !== undrawn ? html`<img src=${url} alt="" onError=${() => setUndrawn(url)} />`
    : html`<i>${t('field.photo_undrawn')}</i>`}<span aria-hidden="true">×</span></button>`;
}

/**
 * The button that opens the camera or the album.
 * @param {{label: string, multiple?: boolean, onFiles: (files: File[]) => void}} props
 */
export function Shoot({ label, multiple = false, onFiles }) {
  /** @param {any} event */
  const taken = (event) => {
    const input = event.currentTarget;
    onFiles([...(input.files ?? [])]);
    input.value = '';
  };
  return html`<label class="button big shoot">
    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path fill-rule="evenodd"
      d="M8.500 4l-1.300 2.500H4A1.500 1.500 0 0 0 2.500 8v10A1.500 1.500 0 0 0 4 19.500h16a1.500 1.500 0 0 0 1.500-1.500V8A1.500 1.500 0 0 0 20 6.500h-3.200L15.500 4zM12 9a4 4 0 1 1 0 8 4 4 0 0 1 0-8z" /></svg>
    ${label}
    <input type="file" accept="image/jpeg,image/png,image/webp" capture="environment"
      multiple=${multiple} onChange=${taken} /></label>`;
}
