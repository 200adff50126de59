// Where it is: by the phone's position with its accuracy, or by a tap on the map, or in words.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { canDraw, makeMap } from '../lib/base_map.js';
import { t } from '../lib/i18n.js';
import { prefs } from '../lib/prefs.js';
import { createStore, useStore } from '../lib/store.js';
import { here } from './state.js';

const FAR_DEGREES = 0.6;
/** What the server takes: a phone that guesses by its network address says more. */
const ACCURACY_MOST_M = 1000000;

export const gps = createStore(/** @type {'no' | 'asking' | 'failed'} */ ('no'));

/** @typedef {{lon: number, lat: number, accuracy: number | null, by: 'gps' | 'map'}} At */

/**
 * Ask the phone where it is. A place picked by hand stays unless asked for by hand.
 * @param {(change: {at: At}) => void} onChange
 */
export function locate(onChange) {
  if (!navigator.geolocation) {
    gps.set('failed');
    return;
  }
  gps.set('asking');
  navigator.geolocation.getCurrentPosition((found) => {
    gps.set('no');
    onChange({ at: {
      lon: found.coords.longitude, lat: found.coords.latitude,
      accuracy: Math.min(ACCURACY_MOST_M, Math.round(found.coords.accuracy)), by: 'gps',
    } });
  }, () => gps.set('failed'), { enableHighAccuracy: true, timeout: 12000, maximumAge: 15000 });
}

/**
 * A place as intake takes it.
 * @param {At} at
 */
export const pointOf = (at) => ({
  lon: Number(at.lon.toFixed(6)), lat: Number(at.lat.toFixed(6)),
  ...(at.accuracy !== null && { accuracy_m: at.accuracy }),
});

/**
 * @param {{at: At | null, place: string, onChange: (change: {at?: At, place?: string}) => void,
 *   title?: string, needsPoint?: boolean}} props `needsPoint`: words alone aren't enough
 */
export function Place({ at, place, onChange, title = t('field.where'), needsPoint = false }) {
  const asking = useStore(gps, (g) => g);
  const [picking, setPicking] = useState(false);
  const { center } = here().city;
  const far = at && (Math.abs(at.lon - center[0]) > FAR_DEGREES
    || Math.abs(at.lat - center[1]) > FAR_DEGREES);
  const says = asking === 'asking' ? t('field.locating')
    : at?.by === 'map' ? t('field.picked')
      : at ? t('field.located', { n: at.accuracy ?? 0 })
        : asking !== 'failed' ? t('field.where')
          : t(needsPoint ? 'field.no_gps_pick' : 'field.no_gps');
  return html`<section class="card">
    <h2>${title}</h2>
    <p class="place-state ${at ? 'good' : asking === 'failed' ? 'warn' : ''}" role="status">${says}
      ${at && html`<span class="faint tab">${at.lat.toFixed(5)}, ${at.lon.toFixed(5)}</span>`}</p>
    ${far && html`<p class="warn">${t('field.far')}</p>`}
    <div class="two">
      <button type="button" class="button big" disabled=${asking === 'asking'}
        onClick=${() => locate(onChange)}>${t('field.locate')}</button>
      <button type="button" class="button big" disabled=${!canDraw()}
        onClick=${() => setPicking(true)}>${t('field.pick')}</button>
    </div>
    <label class="field"><span>${t('field.address')}</span>
      <input type="text" value=${place} maxlength="500" autocomplete="off" enterkeyhint="done"
        onInput=${(/** @type {any} */ e) => onChange({ place: e.currentTarget.value })} /></label>
    ${picking && html`<${Picker} at=${at} onPick=${(/** @type {At} */ picked) => onChange({ at: picked })}
      onDone=${() => setPicking(false)} />`}
  </section>`;
}

/** @param {{at: At | null, onPick: (at: At) => void, onDone: () => void}} props */
function Picker({ at, onPick, onDone }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const map = useRef(/** @type {import('../lib/base_map.js').MapGL | null} */ (null));
  const [state, setState] = useState(/** @type {'loading' | 'ready' | 'failed'} */ ('loading'));
  useEffect(() => {
    const { city } = here();
    const near = at ? { ...city, center: /** @type {[number, number]} */ ([at.lon, at.lat]), zoom: 15.5 }
      : { ...city, zoom: city.zoom };
    let gone = false;
    makeMap(/** @type {HTMLElement} */ (box.current), near, prefs.get().theme, !at).then((made) => {
      if (gone) {
        made.remove();
        return;
      }
      map.current = made;
      made.setMinZoom(9);
      made.on('click', (event) => made.easeTo({ center: event.lngLat }));
      setState('ready');
    }).catch(() => setState('failed'));
    return () => {
      gone = true;
      map.current?.remove();
    };
  }, []);
  const take = () => {
    const middle = map.current?.getCenter();
    if (middle) onPick({ lon: middle.lng, lat: middle.lat, accuracy: null, by: 'map' });
    onDone();
  };
  return html`<div class="picker" role="dialog" aria-modal="true" aria-label=${t('field.pick')}>
    <div class="picker-map" ref=${box}></div>
    <svg class="picker-pin" viewBox="0 0 24 32" width="36" height="48" aria-hidden="true"><path
      d="M12 1a10 10 0 0 1 10 10c0 7-10 20-10 20S2 18 2 11A10 10 0 0 1 12 1zm0 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7z" /></svg>
    <p class="picker-hint">${t(state === 'loading' ? 'map.loading'
      : state === 'failed' ? 'map.failed' : 'field.picking')}</p>
    <div class="picker-act two">
      <button type="button" class="button big" onClick=${onDone}>${t('dialog.cancel')}</button>
      <button type="button" class="button big primary" disabled=${state !== 'ready'} onClick=${take}>
        ${t('field.pick_done')}</button>
    </div>
  </div>`;
}
