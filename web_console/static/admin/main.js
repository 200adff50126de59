// For an administrator: what could not be read and why, devices, and who may sign in.

import { html, render } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { clockTime, dayOf } from '../lib/format.js';
import { ApiError, get, post, session } from '../lib/http.js';
import { otherLang, t, tOr } from '../lib/i18n.js';
import { prefs, setLang, setTheme, usePrefs } from '../lib/prefs.js';
import { Devices } from './devices.js';

const ROLES = ['grid_worker', 'dispatcher', 'commander', 'admin'];

/** @param {unknown} problem */
const wordsOf = (problem) => (problem instanceof ApiError
  ? problem.errors.map((e) => e.message).join(' · ') || problem.message : String(problem));

function App() {
  usePrefs();
  const [tab, setTab] = useState(/** @type {'letters' | 'devices' | 'accounts'} */ ('letters'));
  const [city, setCity] = useState(/** @type {import('../types.js').City | null} */ (null));
  const [error, setError] = useState('');
  useEffect(() => {
    get('/api/city').then(setCity, (problem) => setError(wordsOf(problem)));
  }, []);
  document.title = t('page.admin');
  return html`<main class="admin">
    <header><img src="/static/icon.svg" alt="" width="28" height="28" /><h1>${t('admin.title')}</h1>
      <a class="button" href="/console">${t('admin.back')}</a>
      <button type="button" class="iconbutton text" aria-label=${`${otherLang() === 'zh' ? '中' : 'EN'} · ${t('top.language')}`}
        onClick=${() => setLang(otherLang())}>${prefs.get().lang === 'zh' ? 'EN' : '中'}</button>
      <button type="button" class="button quiet" onClick=${() =>
        setTheme(prefs.get().theme === 'dark' ? 'light' : 'dark')}>${t('top.theme')}</button></header>
    <div class="admin-tabs" role="group" aria-label=${t('admin.title')}>
      ${/** @type {const} */ (['letters', 'devices', 'accounts']).map((id) => html`<button type="button" key=${id}
        class="button" aria-pressed=${tab === id} onClick=${() => setTab(id)}>${t(`admin.${id}`)}</button>`)}
    </div>
    ${error && html`<p class="wrong" role="alert">${error}</p>`}
    ${city && tab === 'letters' && html`<${Letters} zone=${city.timezone} />`}
    ${city && tab === 'devices' && html`<${Devices} zone=${city.timezone} />`}
    ${city && tab === 'accounts' && html`<${Accounts} places=${city.jurisdictions.map((j) => j.id)} />`}
  </main>`;
}

/**
 * @typedef {{id: number, at: string, source: string, reason: string, code: string, raw: string,
 *   jurisdiction: string, exercise: boolean, acknowledged_by: string}} Letter
 */

/** @param {{zone: string}} props the city's time zone */
function Letters({ zone }) {
  const [letters, setLetters] = useState(/** @type {Letter[] | null} */ (null));
  const [error, setError] = useState('');
  const [all, setAll] = useState(false);
  const [more, setMore] = useState(false);
  /** @param {Letter[]} before those already here */
  const load = async (before) => {
    setError('');
    try {
      const last = before.at(-1);
      const { items } = await get(`/api/dead-letters?limit=100${last ? `&before=${last.id}` : ''}`);
      setLetters([...before, ...items]);
      setMore(items.length === 100);
    } catch (problem) {
      setError(wordsOf(problem));
    }
  };
  useEffect(() => {
    load([]);
  }, []);
  /** @param {Letter} letter */
  const acknowledge = async (letter) => {
    try {
      await post(`/api/dead-letters/${letter.id}/acknowledge`);
      await load([]);
    } catch (problem) {
      setError(wordsOf(problem));
    }
  };
  const shown = (letters ?? []).filter((l) => all || !l.acknowledged_by);
  return html`<section class="card">
    <div class="line"><p class="faint">${t('admin.letters_text')}</p>
      <label class="check"><input type="checkbox" checked=${all} onChange=${() => setAll(!all)} />
        <span>${t('admin.show_acked')}</span></label>
      <button type="button" class="button" onClick=${() => load([])}>${t('admin.refresh')}</button></div>
    ${error && html`<p class="wrong" role="alert">${error}</p>`}
    ${letters && !shown.length && html`<div class="empty"><strong>${t('admin.no_letters')}</strong>
      <p>${t('admin.no_letters_text')}</p></div>`}
    ${shown.map((l) => html`<article class="letter" key=${l.id}>
      <div class="line"><b>${tOr(`letter.${l.code}`, l.code)}</b>${l.acknowledged_by
        ? html`<span class="faint">${t('admin.acked', { who: l.acknowledged_by })}</span>`
        : html`<button type="button" class="button" onClick=${() => acknowledge(l)}>
            ${t('admin.ack')}</button>`}</div>
      <p class="why">${l.reason}</p>
      <p class="faint">${dayOf(l.at, zone)} ${clockTime(l.at, zone)} · ${l.source} · ${l.jurisdiction}
        ${l.exercise && ` · ${t('top.exercise')}`}</p>
      <details><summary>${t('admin.payload')}</summary><pre>${l.raw}</pre></details>
    </article>`)}
    ${more && html`<button type="button" class="button" onClick=${() => load(letters ?? [])}>
      ${t('admin.more')}</button>`}
  </section>`;
}

/** @typedef {{name: string, role: string, jurisdictions: string[], cells: string[]}} Account */

const EVERYWHERE = '*';

/** @param {string} jurisdiction */
const placeName = (jurisdiction) => (jurisdiction === EVERYWHERE ? t('admin.everywhere') : jurisdiction);

/** @param {{places: string[]}} props jurisdictions of the city */
function Accounts({ places }) {
  const [accounts, setAccounts] = useState(/** @type {Account[] | null} */ (null));
  const [error, setError] = useState('');
  const [link, setLink] = useState(/** @type {{name: string, link: string} | null} */ (null));
  const [copied, setCopied] = useState(false);
  const [name, setName] = useState('');
  const [role, setRole] = useState('grid_worker');
  const [cells, setCells] = useState('');
  const [place, setPlace] = useState(places[0] ?? '');
  const load = async () => {
    try {
      setAccounts((await get('/api/accounts')).items);
    } catch (problem) {
      setError(wordsOf(problem));
    }
  };
  useEffect(() => {
    load();
  }, []);
  /** @param {() => Promise<{name: string, link: string}>} ask */
  const show = async (ask) => {
    setError('');
    setCopied(false);
    try {
      setLink(await ask());
      await load();
      return true;
    } catch (problem) {
      setError(problem instanceof ApiError && problem.status === 409
        ? t('admin.name_taken') : wordsOf(problem));
      return false;
    }
  };
  /** @param {Event} event */
  const add = async (event) => {
    event.preventDefault();
    const wanted = { name: name.trim(), role, jurisdictions: [place], cells: cells.split(/[,，、\s]+/).filter(Boolean) };
    if (await show(() => post('/api/accounts', wanted))) {
      setName('');
      setCells('');
    }
  };
  // Nobody lets another in where they may not go themselves.
  const mayEverywhere = accounts?.find((a) => a.name === me.name)?.jurisdictions
    .includes(EVERYWHERE);
  return html`<section class="card">
    <form class="grid-form" onSubmit=${add}>
      <label class="field"><span>${t('admin.name')}</span><input type="text" required value=${name}
        autocomplete="off" onInput=${(/** @type {any} */ e) => setName(e.currentTarget.value)} /></label>
      <label class="field"><span>${t('admin.role')}</span><select value=${role}
        onChange=${(/** @type {any} */ e) => setRole(e.currentTarget.value)}>${ROLES.map((r) => html`<option
          key=${r} value=${r} selected=${r === role}>${t(`role.${r}`)}</option>`)}</select></label>
      <label class="field"><span>${t('admin.where')}</span><select required value=${place}
        onChange=${(/** @type {any} */ e) => setPlace(e.currentTarget.value)}>
        ${[...places, ...(mayEverywhere ? [EVERYWHERE] : [])].map((j) => html`<option key=${j} value=${j}
          selected=${j === place}>${placeName(j)}</option>`)}</select></label>
      <label class="field"><span>${t('admin.cells_hint')}</span><input type="text" value=${cells}
        autocomplete="off" onInput=${(/** @type {any} */ e) => setCells(e.currentTarget.value)} /></label>
      <button type="submit" class="button primary">${t('admin.add')}</button>
    </form>
    ${error && html`<p class="wrong" role="alert">${error}</p>`}
    ${link && html`<div class="notice" role="status"><p><b>${t('admin.link_for', { name: link.name })}</b></p>
      <div class="line"><input type="text" readonly value=${link.link} aria-label=${t('admin.link')}
        onFocus=${(/** @type {any} */ e) => e.currentTarget.select()} />
        <button type="button" class="button" onClick=${async () => {
          await navigator.clipboard.writeText(link.link);
          setCopied(true);
        }}>${t(copied ? 'admin.copied' : 'admin.copy')}</button></div>
      <p class="faint">${t('admin.link_text')}</p></div>`}
    ${accounts && !accounts.length && html`<div class="empty"><strong>${t('admin.no_accounts')}</strong></div>`}
    ${accounts && accounts.length > 0 && html`<table class="accounts"><thead><tr>
      <th>${t('admin.name')}</th><th>${t('admin.role')}</th><th>${t('admin.where')}</th><th>${t('admin.cells')}</th><td></td></tr></thead>
      <tbody>${accounts.map((a) => html`<tr key=${a.name}><td>${a.name}</td><td>${t(`role.${a.role}`)}</td>
        <td>${a.jurisdictions.map(placeName).join(', ') || t('admin.nowhere')}</td>
        <td>${a.cells.length > 6 ? `${a.cells.slice(0, 6).join(', ')} … (${a.cells.length})` : a.cells.join(', ') || '–'}</td>
        <td><button type="button" class="button small" onClick=${() => show(() =>
          post(`/api/accounts/${encodeURIComponent(a.name)}/link`))}>${t('admin.link')}</button></td></tr>`)}</tbody>
    </table>`}
  </section>`;
}

const me = await session();
render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById('app')));
