// The field page, put together. Works without a network once it is open: the outbox keeps what is
// reported; city and session of the last visit are kept too, so that a lost network doesn't ask for
// a sign-in.

import { html, render } from 'htm/preact';

import { openChannel } from '../lib/channel.js';
import { ApiError, get, session, signOut, toSignIn } from '../lib/http.js';
import { nameOf, otherLang, t } from '../lib/i18n.js';
import { PasswordForm } from '../lib/password.js';
import { prefs, setLang, setTheme, usePrefs } from '../lib/prefs.js';
import { useStore } from '../lib/store.js';
import { span } from '../lib/format.js';
import { empty } from '../live.js';
import { Crew, myAssignment, myUnit } from './crew.js';
import { isReport } from './entry.js';
import { durable, open } from './kept.js';
import { Mine } from './mine.js';
import { begin as beginOutbox, entries, load as loadOutbox, refuse } from './outbox.js';
import { Over } from './over.js';
import { load as loadPictures, tidy } from './pictures.js';
import { Report } from './report.js';
import { begin, here, keepDrafts, link, live, tab, tick } from './state.js';
import { Tasks, openTasks } from './tasks.js';

const TABS = /** @type {const} */ (['report', 'mine', 'tasks']);
const TABS_OF_A_CREW = /** @type {const} */ (['crew', ...TABS]);

function App() {
  const { lang, theme } = usePrefs();
  const now = useStore(tab, (x) => x);
  const { city, me, jurisdiction } = here();
  const exercise = city.jurisdictions.find((j) => j.id === jurisdiction)?.exercise ?? false;
  const waiting = useStore(entries, (all) => all.filter((e) => isReport(e)
    && (e.state === 'saved' || e.state === 'sending')).length);
  const tasks = useStore(live, openTasks);
  const tabs = useStore(live, (s) => myUnit(s) !== undefined) ? TABS_OF_A_CREW : TABS;
  const keeps = useStore(durable, (d) => d);
  const unshown = useStore(live, (s) => s.unshown);
  return html`<div class="field-page">
    <header class="field-head">
      <div><h1>${nameOf(city.names, city.id)}</h1><span class="faint">${me.display_name ?? me.name}</span></div>
      <${Health} />
      <button type="button" class="iconbutton text" lang=${otherLang() === 'zh' ? 'zh-CN' : 'en'}
        aria-label=${`${otherLang() === 'zh' ? '中' : 'EN'} · ${t('top.language')}`} onClick=${() => setLang(otherLang())}>
        ${lang === 'zh' ? 'EN' : '中'}</button>
      <details class="more-menu"><summary class="iconbutton text" aria-label=${t('field.menu')}>⋯</summary>
        <div class="menu">
          <button type="button" onClick=${() => setTheme(theme === 'dark' ? 'light' : 'dark')}>
            ${t('top.theme')}</button>
          ${me.role !== 'grid_worker' && html`<a href="/console">${t('field.console')}</a>`}
          <details class="nested"><summary>${t(me.has_password ? 'password.change' : 'password.set')}</summary>
            <${PasswordForm} me=${me} /></details>
          <button type="button" onClick=${signOut}>${t('top.signout')}</button>
        </div></details>
    </header>
    ${exercise && html`<div class="exercise-band" role="status"><span>${t('exercise.band')}<i> · ${t('exercise.note')}</i></span></div>`}
    <${Over} />
    ${unshown > 0 && html`<p class="notice bad" role="alert">${t('pipeline.unshown', { n: unshown })}</p>`}
    ${!keeps && html`<p class="notice bad">${t('field.storage')}</p>`}
    <main>${now === 'report' ? html`<${Report} />` : now === 'mine' ? html`<${Mine} />`
      : now === 'crew' ? html`<${Crew} />` : html`<${Tasks} />`}</main>
    <nav class="field-tabs" aria-label=${t('field.tabs')}>
      ${tabs.map((id) => html`<button type="button" key=${id} aria-pressed=${now === id}
        onClick=${() => tab.set(id)}>${t(`field.${id}`)}
        ${id === 'mine' && waiting > 0 && html`<b class="dot" title=${t('field.queue', { n: waiting })}>${waiting}</b>`}
        ${id === 'tasks' && tasks > 0 && html`<b class="dot">${tasks}</b>`}</button>`)}
    </nav>
  </div>`;
}

function Health() {
  const state = useStore(link, (l) => l);
  const situation = useStore(live, (s) => s);
  const now = useStore(tick, (n) => n);
  const lost = state.status !== 'open';
  return html`<div class="health ${lost ? (navigator.onLine ? 'warn' : 'bad') : 'good'}" role="status">
    <span class="lamp" aria-hidden="true"></span>
    <span>${lost ? (navigator.onLine ? t(`link.${state.status}`) : t('field.offline')) : t('link.open')}
    ${lost && situation.ready ? ` · ${t('link.age', { age: span((now - situation.heardAt) / 1000) })}` : ''}</span>
  </div>`;
}

/** Show a crew where it is sent, and make the phone shake when that is another than before. */
function attendCrew() {
  let first = true;
  let assignment = '';
  live.subscribe(() => {
    const state = live.get();
    if (!state.ready || !myUnit(state)) return;
    const now = myAssignment(state)?.id ?? '';
    if (first || now !== assignment) {
      tab.set('crew');
      if (!first) navigator.vibrate?.([300, 100, 300]);
    }
    first = false;
    assignment = now;
  });
}

const KEPT = 'gridcommand.field.scene';

/** @returns {Promise<{city: import('../types.js').City, me: import('../types.js').Session}>} */
async function scene() {
  try {
    const [city, me] = await Promise.all([get('/api/city'), session()]);
    localStorage.setItem(KEPT, JSON.stringify({ city, me }));
    return { city, me };
  } catch (error) {
    const kept = localStorage.getItem(KEPT);
    if (kept && error instanceof ApiError && error.passing) return JSON.parse(kept);
    throw error;
  }
}

/** Keep the page itself on this phone, so that it opens without a network. */
async function keepPage() {
  if (!('serviceWorker' in navigator)) return;
  try {
    await navigator.serviceWorker.register('/field-shell.js', { scope: '/field' });
  } catch {
    // A browser that doesn't allow it works as before, with a network.
  }
}

const root = /** @type {HTMLElement} */ (document.getElementById('app'));
try {
  const { city, me } = await scene();
  const side = city.jurisdictions.find((j) => j.id === me.jurisdiction) ?? city.jurisdictions[0];
  begin(city, me, side.id);
  document.title = t('page.field', { city: nameOf(city.names, city.id) });
  live.set(empty(side.id));
  await open();
  await loadOutbox();
  await loadPictures();
  await keepDrafts(side.id);
  tidy();
  beginOutbox();
  attendCrew();
  openChannel(me.live_url, side.id, {
    onState: (state) => live.set(state),
    onLink: (now) => link.set(now),
    onRefused: refuse,
    onSignedOut: toSignIn,
  });
  render(html`<${App} />`, root);
  keepPage();
  prefs.subscribe(() => {
    document.title = t('page.field', { city: nameOf(city.names, city.id) });
  });
} catch (error) {
  render(html`<div class="empty whole"><strong>${t('start.failed')}</strong>
    <p>${error instanceof Error ? error.message : String(error)}</p>
    <button type="button" class="button big primary" onClick=${() => location.reload()}>
    ${t('again')}</button></div>`, root);
}
