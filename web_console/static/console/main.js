// The commander's page, put together: session and city, the channel into the stores, the panels.

import { html, render } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { openChannel } from '../lib/channel.js';
import { get, session, toSignIn } from '../lib/http.js';
import { nameOf, t } from '../lib/i18n.js';
import { usePrefs } from '../lib/prefs.js';
import { keepSide, keptSide } from '../lib/side.js';
import { useStore } from '../lib/store.js';
import { empty } from '../live.js';
import { Alarm } from './alarm.js';
import { Detail } from './detail.js';
import { Dialogs } from './dialogs.js';
import { LastHospital, NoHospital } from './hospitals.js';
import { onKey } from './keys.js';
import { CityMap } from './map.js';
import { dismiss, notes, refuse, settle } from './orders.js';
import { Queue } from './queue.js';
import { RuleChanges } from './rules.js';
import { attention, rows } from './selectors.js';
import { begin, link, live, select, setUi, theCity, theSession, ui } from './state.js';
import { ExerciseBand, SimplerPlanning, TopBar, Unshown } from './topbar.js';
import { Units } from './units.js';

const DRAW_MS = 40;

/** The side last looked at, or the exercise while one is all there is to see. */
function firstJurisdiction() {
  const { jurisdictions } = theCity();
  const kept = keptSide() ?? theSession().jurisdiction;
  return (jurisdictions.find((j) => j.id === kept) ?? jurisdictions.find((j) => !j.exercise)
    ?? jurisdictions[0]).id;
}

/** @param {string} jurisdiction */
function follow(jurisdiction) {
  live.set(empty(jurisdiction));
  // Frames may come in bursts (a resume); the screen draws the last of each few milliseconds.
  let timer = 0;
  /** @type {import('../types.js').LiveState | null} */
  let newest = null;
  const channel = openChannel(theSession().live_url, jurisdiction, {
    onState(state) {
      newest = state;
      timer ||= window.setTimeout(() => {
        timer = 0;
        if (newest) live.set(newest);
      }, DRAW_MS);
    },
    onLink: (now) => link.set(now),
    onLog: settle,
    onRefused: refuse,
    onSignedOut: toSignIn,
  });
  return () => {
    clearTimeout(timer);
    channel.close();
  };
}

function App() {
  usePrefs();
  const [jurisdiction, setJurisdiction] = useState(firstJurisdiction);
  const exercise = theCity().jurisdictions.find((j) => j.id === jurisdiction)?.exercise ?? false;
  const { left, pane } = useStore(ui, (u) => u);
  useEffect(() => {
    keepSide(jurisdiction);
    select('');
    return follow(jurisdiction);
  }, [jurisdiction]);
  useEffect(() => {
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  return html`<div class="console pane-${pane} ${exercise ? 'exercise' : ''}">
    <${TopBar} jurisdiction=${jurisdiction} onJurisdiction=${setJurisdiction} />
    ${exercise && html`<${ExerciseBand} />`}
    <${Unshown} />
    <${SimplerPlanning} />
    <${NoHospital} />
    <${RuleChanges} />
    <main>
      <div class="left">
        <div class="leftswitch" role="tablist" aria-label=${t('left.title')}>
          ${/** @type {const} */ (['queue', 'units']).map((tab) => html`<button type="button"
            role="tab" key=${tab} aria-selected=${left === tab}
            onClick=${() => setUi({ left: tab })}>${t(`left.${tab}`)}
            <${Marks} tab=${tab} /></button>`)}
        </div>
        ${left === 'queue' ? html`<${Queue} />` : html`<${Units} />`}
      </div>
      <${CityMap} />
      <${Detail} />
    </main>
    <${PaneBar} pane=${pane} />
    <${Title} />
    <${Alarm} />
    <${Notes} />
    <${Dialogs} />
    <${LastHospital} />
  </div>`;
}

/** @param {{pane: string}} props */
function PaneBar({ pane }) {
  return html`<nav class="panebar" aria-label=${t('pane.title')}>
    ${/** @type {const} */ (['left', 'map', 'detail']).map((p) => html`<button type="button" key=${p}
      aria-pressed=${pane === p} onClick=${() => setUi({ pane: p })}>${t(`pane.${p}`)}
      ${p === 'left' && html`<${Marks} tab="queue" /><${Marks} tab="units" />`}</button>`)}
  </nav>`;
}

/**
 * Counts of what waits behind a tab, for who has another one open.
 * @param {{tab: 'queue' | 'units'}} props
 */
function Marks({ tab }) {
  const { decide, escalated, moves } = useAttention();
  /** @type {[string, string, number][]} */
  const marks = tab === 'units' ? [['moves', '', moves]]
    : [['decide', '', decide], ['escalated', 'bad', escalated]];
  return marks.map(([what, tone, n]) => n > 0 && html`<b key=${what} class="dot ${tone}"
    title=${t(`marks.${what}`, { n })}><span aria-hidden="true">${tone ? '!' : ''}${n}</span>
    <span class="heard">${t(`marks.${what}`, { n })}</span></b>`);
}

/** Kept as one word, so that a moving unit draws no mark anew. */
function useAttention() {
  return JSON.parse(useStore(live, (s) => JSON.stringify(attention(s, rows(s)))));
}

/** The window's title says what waits, for who has another window in front. */
function Title() {
  const { lang } = usePrefs();
  const { decide, moves, failing } = useAttention();
  const waiting = decide + moves;
  useEffect(() => {
    const city = theCity();
    document.title = `${failing ? '⚠ ' : ''}${waiting ? `(${waiting}) ` : ''}${
      t('page.console', { city: nameOf(city.names, city.id) })}`;
  }, [lang, waiting, failing]);
  return null;
}

function Notes() {
  const all = useStore(notes, (n) => n);
  return html`<div class="notes" role="status" aria-live="polite">
    ${all.map((note) => html`<div class="note ${note.tone}" key=${note.id}>
      <span>${note.text}</span>
      ${note.incident && note.incident !== ui.get().selected && html`<button type="button"
        class="linkish" onClick=${() => select(note.incident ?? '')}>${t('note.show')}</button>`}
      ${note.undo && html`<button type="button" class="button small" onClick=${() => {
        note.undo?.run();
        dismiss(note.id);
      }}>${note.undo.label}</button>`}
      <button type="button" class="iconbutton" aria-label=${t('note.dismiss')}
        onClick=${() => dismiss(note.id)}>×</button>
    </div>`)}
  </div>`;
}

/** @param {{message: string}} props */
const Failed = ({ message }) => html`<div class="empty whole"><strong>${t('start.failed')}</strong>
  <p>${message}</p><button type="button" class="button primary" onClick=${() => location.reload()}>
  ${t('again')}</button></div>`;

const root = /** @type {HTMLElement} */ (document.getElementById('app'));
try {
  const [city, me] = await Promise.all([get('/api/city'), session()]);
  begin(city, me);
  // An account of another city alone has no side to look at here.
  render(city.jurisdictions.length ? html`<${App} />`
    : html`<${Failed} message=${t('start.elsewhere', { city: nameOf(city.names, city.id) })} />`, root);
} catch (error) {
  render(html`<${Failed} message=${error instanceof Error ? error.message : String(error)} />`, root);
}
