// The bar on top: which city and side (live or exercise), the jurisdiction's clock, how fresh the
// data is, what waits, who is free, and the person's own switches.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { clockTime, dayOf, secondsSince, span } from '../lib/format.js';
import { ApiError, post, signOut } from '../lib/http.js';
import { nameOf, otherLang, t, tOr } from '../lib/i18n.js';
import { prefs, setLang, setMuted, setTheme, usePrefs } from '../lib/prefs.js';
import { useStore } from '../lib/store.js';
import { jurisdictionNow } from '../live.js';
import { order, pending, tell, waits } from './orders.js';
import { kindName } from './parts.js';
import { commands } from './rules.js';
import { counts, kinds, rows } from './selectors.js';
import { play } from './sounds.js';
import { ask, link, live, theCity, theSession, tick } from './state.js';

const STALE_S = 5;
const SPEEDS = [1, 10, 60, 120, 300, 600];

/**
 * @param {{jurisdiction: string, onJurisdiction: (id: string) => void}} props
 */
export function TopBar({ jurisdiction, onJurisdiction }) {
  usePrefs();
  const state = useStore(live, (s) => s);
  const c = counts(rows(state));
  const city = theCity();
  return html`<header class="topbar">
    <div class="brand"><img src="/static/icon.svg" alt="" width="26" height="26" />
      <h1>${nameOf(city.names, city.id)}</h1></div>
    <${Sides} jurisdiction=${jurisdiction} onJurisdiction=${onJurisdiction} />
    <${ClockPanel} />
    <div class="tallies" role="group" aria-label=${t('top.counts')}>
      <div class="tally ${c.waiting ? 'hot' : ''}"><b>${state.ready ? c.waiting : '–'}</b>
        <span>${t('top.waiting')}</span></div>
      <div class="tally"><b>${state.ready ? c.active : '–'}</b><span>${t('top.active')}</span></div>
      <${FreeUnits} />
    </div>
    <${Health} />
    <${Account} />
  </header>`;
}

/**
 * Live and exercise side by side; where several exercises are kept, the others in a list.
 * @param {{jurisdiction: string, onJurisdiction: (id: string) => void}} props
 */
function Sides({ jurisdiction, onJurisdiction }) {
  const { jurisdictions } = theCity();
  /** @param {{id: string, exercise: boolean}} j */
  const name = (j) => [t(j.exercise ? 'top.exercise' : 'top.live'),
    j.id.split('.exercise.')[1]].filter(Boolean).join(' ');
  if (jurisdictions.length > 2) {
    return html`<select class="sides" aria-label=${t('top.side')} value=${jurisdiction}
      onChange=${(/** @type {any} */ e) => onJurisdiction(e.currentTarget.value)}>
      ${jurisdictions.map((j) => html`<option key=${j.id} value=${j.id}
        selected=${j.id === jurisdiction}>${name(j)}</option>`)}</select>`;
  }
  return html`<div class="segmented" role="group" aria-label=${t('top.side')}>
    ${jurisdictions.map((j) => html`<button type="button" key=${j.id}
      aria-pressed=${j.id === jurisdiction} class=${j.exercise ? 'is-exercise' : ''}
      onClick=${() => onJurisdiction(j.id)}>${name(j)}</button>`)}
  </div>`;
}

export function ExerciseBand() {
  usePrefs();
  const over = useStore(live, (s) => !!s.clock?.over);
  return html`<div class="exercise-band"><span role="status">${t('exercise.band')}<i> · ${
    t(over ? 'exercise.over' : 'exercise.note')}</i></span><${EndDrill} /></div>`;
}

/** Ends the drill that runs, for good: asked once more. */
function EndDrill() {
  const runs = useStore(live, (s) => !!s.clock && !s.clock.over);
  const [asks, setAsks] = useState(false);
  const [busy, setBusy] = useState(false);
  if (!runs || !commands()) return null;
  const end = async () => {
    setBusy(true);
    await changeDrill({ ended: true });
    setBusy(false);
    setAsks(false);
  };
  return html`<span class="end-drill">${asks ? html`${t('drill.end_ask')}
      ${' '}<button type="button" class="linkish" onClick=${() => setAsks(false)}>
        ${t('drill.end_no')}</button>
      ${' '}<button type="button" class="linkish" disabled=${busy} onClick=${end}>
        ${t('drill.end_yes')}</button>`
    : html`<button type="button" class="linkish" onClick=${() => setAsks(true)}>
        ${t('drill.end')}</button>`}</span>`;
}

/** @param {{paused?: boolean, speed?: number, ended?: boolean}} change */
async function changeDrill(change) {
  try {
    await post(`/api/drill?jurisdiction=${encodeURIComponent(live.get().jurisdiction)}`, change);
  } catch (error) {
    tell({ tone: 'bad', text: error instanceof ApiError ? error.message : String(error) });
  }
}

function FreeUnits() {
  const state = useStore(live, (s) => s);
  const all = kinds(state);
  return html`<div class="frees">
    ${all.slice(0, 4).map((k) => html`<div class="tally small" key=${k.kind}
      title=${t('top.free_of', { kind: kindName(k.kind), free: k.free, total: k.total })}>
      <b>${k.free}<i>/${k.total}</i></b><span>${kindName(k.kind)}</span></div>`)}
  </div>`;
}

function ClockPanel() {
  const state = useStore(live, (s) => s);
  useStore(tick, (n) => n);
  const zone = theCity().timezone;
  const now = state.ready ? jurisdictionNow(state, Date.now()) : null;
  return html`<div class="clock">
    <div class="clock-face">
      <time class="clock-time">${clockTime(now, zone)}</time>
      <span class="clock-day">${now === null ? '–' : dayOf(now, zone)}</span>
    </div>
    ${state.exercise && html`<${DrillControls} clock=${state.clock} />`}
  </div>`;
}

/** @param {{clock: import('../types.js').Clock | null}} props */
function DrillControls({ clock }) {
  const [busy, setBusy] = useState(false);
  const fixed = busy || !commands() || !clock || !!clock.over;
  /** @param {{paused?: boolean, speed?: number}} change */
  const change = async (change) => {
    setBusy(true);
    await changeDrill(change);
    setBusy(false);
  };
  const speed = clock?.speed ?? 1;
  const speeds = SPEEDS.includes(speed) ? SPEEDS : [...SPEEDS, speed].sort((a, b) => a - b);
  return html`<div class="drill">
    <button type="button" class="iconbutton" disabled=${fixed}
      aria-label=${t(clock?.paused ? 'drill.resume' : 'drill.pause')}
      title=${t(clock?.paused ? 'drill.resume' : 'drill.pause')}
      onClick=${() => change({ paused: !clock?.paused })}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        ${clock?.paused ? html`<path d="M4 2.5v11l9-5.5z" />`
          : html`<path d="M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z" />`}
      </svg>
    </button>
    <select aria-label=${t('drill.speed')} title=${t('drill.speed')} value=${String(speed)}
      disabled=${fixed}
      onChange=${(/** @type {any} */ e) => change({ speed: Number(e.currentTarget.value) })}>
      ${speeds.map((n) => html`<option key=${n} value=${String(n)}
        selected=${n === speed}>×${n}</option>`)}
    </select>
  </div>`;
}

function Health() {
  const state = useStore(live, (s) => s);
  const connection = useStore(link, (l) => l);
  const now = useStore(tick, (n) => n);
  const lost = connection.status !== 'open';
  const age = Math.max(0, (now - (state.heardAt || connection.since)) / 1000);
  const pipeline = lost ? null : state.pipeline;
  const delayed = pipeline?.state === 'delayed';
  const simpler = state.rules.simpler_planning;
  const tone = connection.status === 'denied' || (lost && state.ready) ? 'bad'
    : lost || delayed || simpler || age > STALE_S ? 'warn' : 'good';
  const text = lost ? t(`link.${connection.status}`)
    : delayed ? tOr(`pipeline.${pipeline.cause || 'delayed'}`, t('pipeline.delayed'))
      : simpler ? t('planning.short') : t('link.open');
  const retry = connection.nextTryAt
    ? t('link.retry', { n: Math.max(0, Math.ceil((connection.nextTryAt - now) / 1000)) }) : '';
  const detail = lost && state.ready ? t('link.age', { age: span(age) })
    : delayed ? sinceText(pipeline)
      : age > STALE_S && state.ready ? t('link.age', { age: span(age) }) : t('link.fresh');
  return html`<div class="health ${tone}" role="status" aria-live="polite"
    title=${state.pipeline ? t('pipeline.title', {
      state: tOr(`pipeline.${state.pipeline.state}`, state.pipeline.state),
    }) : ''}>
    <span class="lamp" aria-hidden="true"></span>
    <div><b>${text}</b><span>${detail}${lost && retry ? ` · ${retry}` : ''}</span></div>
  </div>`;
}

/**
 * Since when, by the city's time of day: not the drill's, for it is we who are late.
 * @param {import('../types.js').Pipeline} pipeline
 */
function sinceText(pipeline) {
  const { since } = pipeline;
  const { wall } = live.get();
  return t('pipeline.since', {
    time: clockTime(since, theCity().timezone),
    age: span(since && wall ? secondsSince(since, Date.parse(wall)) : 0),
  });
}

/** What this console can't read isn't on the screen: said for as long as it is so. */
export function Unshown() {
  usePrefs();
  const n = useStore(live, (s) => s.unshown);
  return n > 0 && html`<p class="notice bad unshown" role="alert">${t('pipeline.unshown', { n })}</p>`;
}

/** The policy in force fails and a simpler one plans: said for as long as it is so. */
export function SimplerPlanning() {
  usePrefs();
  const simpler = useStore(live, (s) => s.rules.simpler_planning);
  if (!simpler) return false;
  const numbers = (simpler.incidents ?? []).map((id) => live.get().incidents.get(id)?.number ?? id);
  return html`<p class="notice bad simpler" role="alert">${t('planning.simpler', {
    time: clockTime(simpler.since, theCity().timezone),
    used: t(`policy.${simpler.used}`),
  })}${numbers.length > 0 && html` <b>${t('planning.by_hand', { incidents: numbers.join(', ') })}</b>`}
    <span class="dim">${tOr(`policy.${simpler.policy}`, simpler.policy)} · ${
      simpler.hung ? t('planning.hung', { n: simpler.hung }) : simpler.error}</span></p>`;
}

/** The alert's sound, on or off; who turns it on hears it. */
function Mute() {
  const { muted } = usePrefs();
  return html`<button type="button" class="iconbutton mute" aria-pressed=${muted}
    aria-label=${t('top.mute')} title=${t(muted ? 'top.sound_off' : 'top.sound_on')}
    onClick=${() => {
      setMuted(!muted);
      play();
    }}>
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d="M1 5.5h3L8 2.2v11.6L4 10.5H1z" />
      ${muted ? html`<path d="M9.8 6.2l1-1 1.8 1.8 1.8-1.8 1 1L13.6 8l1.8 1.8-1 1-1.8-1.8-1.8 1.8-1-1L11.6 8z" />`
        : html`<path d="M9.6 5.4l.9-.9a4.9 4.9 0 0 1 0 7l-.9-.9a3.7 3.7 0 0 0 0-5.2zM11.8 3.2l.9-.9a8 8 0 0 1 0 11.4l-.9-.9a6.8 6.8 0 0 0 0-9.6z" />`}
    </svg>
  </button>`;
}

function Account() {
  const { lang, theme } = usePrefs();
  const me = theSession();
  const rules = useStore(live, (s) => s.rules);
  const [open, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!open) return undefined;
    /** @param {Event} e */
    const away = (e) => {
      if (e instanceof KeyboardEvent ? e.key === 'Escape'
        : !box.current?.contains(/** @type {Node} */ (e.target))) setOpen(false);
    };
    document.addEventListener('pointerdown', away);
    document.addEventListener('keydown', away);
    return () => {
      document.removeEventListener('pointerdown', away);
      document.removeEventListener('keydown', away);
    };
  }, [open]);
  // A second switch before the first one's answer would start from what no longer holds.
  const automating = useStore(pending, (now) => waits(now, 'set_automation'));
  const posing = useStore(pending, (now) => waits(now, 'set_posture'));
  const automatic = rules.automatic_priorities ?? [1];
  /** @param {number} p */
  const toggle = (p) => {
    const priorities = automatic.includes(p) ? automatic.filter((x) => x !== p)
      : [...automatic, p].sort((a, b) => a - b);
    set('set_automation', t(automatic.includes(p) ? 'rules.ask_off' : 'rules.ask_on', {
      priority: t(`priority.${p}`),
    }), { priorities });
  };
  const posture = rules.posture === 'emergency' ? 'routine' : 'emergency';
  /**
   * A rule of the whole jurisdiction: nobody changes it without saying why.
   * @param {string} type
   * @param {string} title
   * @param {Record<string, unknown>} rule
   */
  const set = (type, title, rule) => {
    setOpen(false);
    ask({
      kind: 'reason', title, action: t('rules.set'),
      run: (reason) => order(live.get().jurisdiction, type, { ...rule, reason }),
    });
  };
  const commander = commands();
  return html`<div class="account" ref=${box}>
    <button type="button" class="iconbutton text" lang=${otherLang() === 'zh' ? 'zh-CN' : 'en'}
      aria-label=${`${otherLang() === 'zh' ? '中' : 'EN'} · ${t('top.language')}`} title=${t('top.language')}
      onClick=${() => setLang(otherLang())}>${lang === 'zh' ? 'EN' : '中'}</button>
    <${Mute} />
    <button type="button" class="iconbutton" aria-label=${t('top.theme')} title=${t('top.theme')}
      onClick=${() => setTheme(prefs.get().theme === 'dark' ? 'light' : 'dark')}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        ${theme === 'dark' ? html`<path d="M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM7.3 0h1.4v3H7.3zM7.3 13h1.4v3H7.3zM0 7.3h3v1.4H0zM13 7.3h3v1.4h-3zM2 3l1-1 2.1 2.1-1 1zM10.9 11.9l1-1L14 13l-1 1zM13 2l1 1-2.1 2.1-1-1zM4.1 10.9l1 1L3 14l-1-1z" />`
          : html`<path d="M6.2 1A7 7 0 1 0 15 9.8 5.6 5.6 0 0 1 6.2 1z" />`}
      </svg>
    </button>
    <button type="button" class="iconbutton text" aria-expanded=${open} aria-haspopup="true"
      aria-label=${t('top.account')} title=${t('top.account')}
      onClick=${() => setOpen(!open)}>${(me.name || '?').slice(0, 1).toUpperCase()}</button>
    ${open && html`<div class="menu">
      <p class="menu-who"><b>${me.display_name ?? me.name}</b><span>${t(`role.${me.role}`)}</span></p>
      <fieldset disabled=${!commander || automating} aria-busy=${automating}>
        <legend>${t('rules.automatic')}</legend>
        ${[1, 2, 3, 4].map((p) => html`<label key=${p} class="check"><input type="checkbox"
          checked=${automatic.includes(p)} onClick=${(/** @type {Event} */ e) => {
            e.preventDefault();
            toggle(p);
          }} />
          <span>${t(`priority.${p}`)}</span></label>`)}
      </fieldset>
      <label class="check"><input type="checkbox" disabled=${!commander || posing}
        checked=${rules.posture === 'emergency'}
        onClick=${(/** @type {Event} */ e) => {
          e.preventDefault();
          set('set_posture', t('rules.ask_posture', { posture: t(`posture.${posture}`) }), { posture });
        }} /><span>${t('rules.emergency')}</span></label>
      <hr />
      <button type="button" onClick=${() => { setOpen(false); ask({ kind: 'help' }); }}>
        ${t('top.help')} <kbd>?</kbd></button>
      <a href="/field">${t('top.field')}</a>
      ${me.role === 'admin' && html`<a href="/admin">${t('top.admin')}</a>`}
      <button type="button" onClick=${() => { setOpen(false); ask({ kind: 'password' }); }}>
        ${t(me.has_password ? 'password.change' : 'password.set')}</button>
      <button type="button" onClick=${signOut}>${t('top.signout')}</button>
    </div>`}
  </div>`;
}

