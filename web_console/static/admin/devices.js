// Sensors that may send readings: where they are, when they were heard, their keys.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { clockTime, dayOf } from '../lib/format.js';
import { ApiError, get, post, request } from '../lib/http.js';
import { t } from '../lib/i18n.js';

const NOTHING = { id: '', kind: '', owner: '', place: '' };

/**
 * @typedef {{id: string, jurisdiction: string, kind: string, owner: string, lon: number | null,
 *   lat: number | null, cell: string, outside: boolean, disabled: boolean, last_seen_at: string | null,
 *   fault: string, fault_at: string | null}} Device
 * @typedef {{id: string, what: 'rotate' | 'disable'}} Asked
 * @typedef {{id: string, key: string, warnings?: import('../types.js').FieldError[]}} Key
 */

/** @param {unknown} problem */
const wordsOf = (problem) => (problem instanceof ApiError
  ? problem.errors.map((e) => e.message).join(' · ') || problem.message : String(problem));

/**
 * Longitude and latitude as a person writes them, or null when that is no place.
 *
 * @param {string} text
 * @returns {{lon?: number, lat?: number} | null}
 */
export function placeOf(text) {
  const parts = text.split(/[,，\s]+/).filter(Boolean);
  if (!parts.length) return {};
  const [lon, lat] = parts.map(Number);
  const isPlace = parts.length === 2 && Math.abs(lon) <= 180 && Math.abs(lat) <= 90;
  return isPlace ? { lon, lat } : null;
}

/**
 * The register of devices.
 * @param {{zone: string}} props the city's time zone
 */
export function Devices({ zone }) {
  /** @param {string} at */
  const timeOf = (at) => `${dayOf(at, zone)} ${clockTime(at, zone)}`;
  const [devices, setDevices] = useState(/** @type {Device[] | null} */ (null));
  const [next, setNext] = useState(/** @type {string | null} */ (null));
  const [error, setError] = useState('');
  const [key, setKey] = useState(/** @type {Key | null} */ (null));
  const [copied, setCopied] = useState(false);
  const [asked, setAsked] = useState(/** @type {Asked | null} */ (null));
  const [wanted, setWanted] = useState(NOTHING);
  /** @param {Device[]} before those already here @param {string} after */
  const load = async (before, after = '') => {
    try {
      const page = await get(`/api/devices?limit=100&after=${encodeURIComponent(after)}`);
      setDevices([...before, ...page.items]);
      setNext(page.next);
    } catch (problem) {
      setError(wordsOf(problem));
    }
  };
  useEffect(() => {
    load([]);
  }, []);
  /** @param {() => Promise<any>} ask @returns {Promise<any>} */
  const doing = async (ask) => {
    setError('');
    setAsked(null);
    try {
      return await ask();
    } catch (problem) {
      setError(problem instanceof ApiError && problem.status === 409
        ? t('devices.taken') : wordsOf(problem));
      return null;
    }
  };
  /** @param {() => Promise<any>} ask */
  const showKey = async (ask) => {
    const made = await doing(ask);
    if (made) {
      setKey(made);
      setCopied(false);
    }
    return made;
  };
  /** @param {Event} event */
  const add = async (event) => {
    event.preventDefault();
    const place = placeOf(wanted.place);
    if (place === null) {
      setError(t('devices.no_place'));
      return;
    }
    const { id, kind, owner } = wanted;
    const body = { id: id.trim(), kind: kind.trim(), owner: owner.trim(), ...place };
    if (await showKey(() => post('/api/devices', body))) {
      setWanted(NOTHING);
      await load([]);
    }
  };
  /** @param {Device} device */
  const path = (device) => `/api/devices/${encodeURIComponent(device.id)}`;
  /** @param {Device} device @param {boolean} disabled */
  const disable = async (device, disabled) => {
    const changed = await doing(() => request('PATCH', path(device), { disabled }));
    if (changed) setDevices((all) => (all ?? []).map((one) => (one.id === changed.id ? changed : one)));
  };
  /** @param {keyof typeof NOTHING} name @param {boolean} required */
  const field = (name, required = false) => html`<label class="field"><span>${t(`devices.${name}`)}</span>
    <input type="text" required=${required} value=${wanted[name]} autocomplete="off"
      onInput=${(/** @type {any} */ e) => setWanted({ ...wanted, [name]: e.currentTarget.value })} /></label>`;
  /** @param {Device} device */
  const row = (device) => html`<tr key=${device.id}>
    <td><b>${device.id}</b>${device.fault && html`<p class="wrong">${t('devices.fault', {
      when: device.fault_at ? timeOf(device.fault_at) : '', what: device.fault })}</p>`}</td>
    <td>${device.kind || '–'}<br /><span class="faint">${device.owner}</span></td>
    <td>${device.lon === null ? html`<span class="wrong">${t('devices.placeless')}</span>`
      : `${device.lon}, ${device.lat}`}${device.outside && html`<br />
        <span class="wrong">${t('devices.outside')}</span>`}<br /><span class="faint">${device.cell}</span></td>
    <td>${device.disabled ? t('devices.disabled')
      : device.last_seen_at ? timeOf(device.last_seen_at) : t('devices.never')}</td>
    <td>${asked?.id === device.id
      ? html`<p>${t(`devices.sure_${asked.what}`)}</p>
        <button type="button" class="button small" onClick=${() => setAsked(null)}>${t('devices.no')}</button>
        <button type="button" class="button small danger" onClick=${() => (asked.what === 'rotate'
          ? showKey(() => post(`${path(device)}/key`)) : disable(device, true))}>
          ${t(`devices.${asked.what}`)}</button>`
      : html`<button type="button" class="button small"
          onClick=${() => setAsked({ id: device.id, what: 'rotate' })}>${t('devices.rotate')}</button>
        ${device.disabled
          ? html`<button type="button" class="button small"
              onClick=${() => disable(device, false)}>${t('devices.enable')}</button>`
          : html`<button type="button" class="button small"
              onClick=${() => setAsked({ id: device.id, what: 'disable' })}>${t('devices.disable')}</button>`}`}
    </td></tr>`;
  return html`<section class="card">
    <form class="grid-form devices" onSubmit=${add}>
      ${field('id', true)}${field('kind')}${field('owner')}${field('place')}
      <button type="submit" class="button primary">${t('devices.add')}</button>
    </form>
    ${error && html`<p class="wrong" role="alert">${error}</p>`}
    ${key && html`<div class="notice" role="status"><p><b>${t('devices.key_of', { id: key.id })}</b></p>
      <div class="line"><input type="text" readonly value=${`${key.id}:${key.key}`}
        aria-label=${t('devices.key_of', { id: key.id })}
        onFocus=${(/** @type {any} */ e) => e.currentTarget.select()} />
        <button type="button" class="button" onClick=${async () => {
          await navigator.clipboard.writeText(`${key.id}:${key.key}`);
          setCopied(true);
        }}>${t(copied ? 'admin.copied' : 'admin.copy')}</button></div>
      <p class="faint">${t('devices.key_text')}</p>
      ${key.warnings?.map((one) => html`<p class="wrong" key=${one.code}>${one.message}</p>`)}</div>`}
    ${devices && !devices.length && html`<div class="empty"><strong>${t('devices.none')}</strong>
      <p>${t('devices.none_text')}</p></div>`}
    ${devices && devices.length > 0 && html`<table class="accounts"><thead><tr>
      <th>${t('devices.id')}</th><th>${t('devices.kind')}</th><th>${t('devices.where')}</th>
      <th>${t('devices.seen')}</th><td></td></tr></thead><tbody>${devices.map(row)}</tbody></table>`}
    ${next && html`<button type="button" class="button" onClick=${() => load(devices ?? [], next)}>
      ${t('admin.more')}</button>`}
  </section>`;
}
