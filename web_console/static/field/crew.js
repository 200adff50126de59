// My crew: where we are sent and what it is, whether we were turned or recalled, and what we do now.
// For an account that has its unit's id as name; what we say goes by the outbox, as reports do.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { clockTime, distance, saidApart, span } from '../lib/format.js';
import { assignmentWord, nameOf, saidIn, t } from '../lib/i18n.js';
import { uuid7 } from '../lib/ids.js';
import { useStore } from '../lib/store.js';
import { jurisdictionNow } from '../live.js';
import { isWaiting } from './entry.js';
import { Where } from './mine.js';
import { add, entries, remove } from './outbox.js';
import { here, live, tick } from './state.js';

/** How long a crew is told that it was recalled. */
const RECALLED_MS = 600000;
/** How long what is said waits for the phone's position: no longer, also while it asks for leave. */
const POSITION_MS = 1000;
/** How long the question whether it drops out stays open: it isn't answered by mistake later. */
const ASKED_MS = 20000;

/**
 * What a crew may say next, the usual first, by the state of its assignment or else its own.
 * @type {Record<string, string[]>}
 */
const NEXT = {
  ordered: ['en_route'],
  accepted: ['en_route'],
  en_route: ['on_scene'],
  on_scene: ['returning', 'transporting'],
  transporting: ['at_hospital'],
  at_hospital: ['returning'],
  returning: ['available', 'out_of_service'],
  available: ['out_of_service'],
  out_of_service: ['available'],
};
/** While its assignment is in one of these a crew may drop out of it: what it had to do is left. */
const MAY_DROP_OUT = new Set(['ordered', 'accepted', 'en_route', 'on_scene', 'transporting']);
const OUT = 'out_of_service';

/** @param {import('../types.js').LiveState} state */
export const myUnit = (state) => state.units.get(here().me.name);

/** @param {import('../types.js').LiveState} state */
export const myAssignment = (state) => state.assignments.get(myUnit(state)?.assignment ?? '');

export function Crew() {
  const state = useStore(live, (s) => s);
  useStore(tick, (n) => Math.floor(n / 5000));
  const unit = myUnit(state);
  if (!unit) {
    return html`<div class="page"><div class="empty"><strong>${t('crew.none')}</strong>
      <p>${t('crew.none_text', { name: here().me.name })}</p></div></div>`;
  }
  const sent = myAssignment(state);
  return html`<div class="page">
    <article class="card">
      <div class="mail-head"><b>${unit.call_sign || unit.id}</b>
        <span class="chip state-${unit.state}">${t(`unit.${unit.state}`)}</span></div>
      ${unit.held_by && html`<p class="notice">${t('crew.held', { why: unit.held_reason || unit.held_by })}</p>`}
      ${unit.far && html`<p class="notice warn">${t('crew.far', { away: distance(unit.far.away_m) })}</p>`}
      ${!sent && unit.post && html`<p>${t('crew.post', { post: unit.post })}</p>`}
      ${!sent && html`<${Recalled} unit=${unit} state=${state} />
        <p class="faint">${t(unit.state === OUT ? 'crew.out' : 'crew.free')}</p>`}
      <${Next} key=${sent?.id ?? ''} unit=${unit} sent=${sent} state=${state} />
    </article>
    ${sent && html`<${Sent} sent=${sent} state=${state} />`}
    ${sent && MAY_DROP_OUT.has(sent.state) && html`<${DropOut} key=${sent.id} unit=${unit}
      sent=${sent} state=${state} />`}
    ${(unit.queue ?? []).map((id) => html`<p class="faint" key=${id}>${t('crew.queued', {
      number: numberOf(state, id) })}</p>`)}
  </div>`;
}

/**
 * @param {import('../types.js').LiveState} state
 * @param {string} id
 */
const numberOf = (state, id) => state.incidents.get(id)?.number ?? id;

/**
 * Where we go, and why it is not where we went.
 * @param {{sent: import('../types.js').Assignment, state: import('../types.js').LiveState}} props
 */
function Sent({ sent, state }) {
  const { city } = here();
  const incident = state.incidents.get(sent.incident);
  const hospital = state.hospitals.get(sent.hospital ?? '');
  const under = sent.state === 'ordered' || sent.state === 'accepted' || sent.state === 'en_route';
  return html`<article class="card crew-sent">
    ${sent.diverted_from && html`<p class="notice bad" role="alert">${t('crew.turned', {
      from: numberOf(state, sent.diverted_from), number: numberOf(state, sent.incident) })}</p>`}
    ${sent.cut_off && html`<p class="notice bad" role="alert">${t('crew.cut_off')}</p>`}
    ${incident && html`<div class="mail-head"><b>${nameOf(city.categories[incident.category], incident.category)}</b>
      <span class="faint tab">${incident.number}</span></div>
      ${incident.place && html`<p>${incident.place}</p>`}
      ${incident.text && html`<p class="crew-said">${saidIn(incident, incident.text)}</p>`}`}
    <p class="faint">${t('crew.since', {
      at: clockTime(sent.times?.ordered ?? '', city.timezone) })}${under && sent.drive_s
      ? ` · ${t('crew.way', { drive: span(sent.drive_s), far: distance(sent.length_m ?? 0) })}` : ''}${
      (sent.added_s ?? 0) > 0 ? ` · ${t('crew.longer', { n: span(sent.added_s ?? 0) })}` : ''}</p>
    <${SaidApart} sent=${sent} />
    ${sent.hospital && html`<p>${t('crew.hospital', {
      name: hospital ? nameOf(hospital.names, hospital.id) : sent.hospital })}</p>`}
    ${incident?.lat != null && html`<a class="button big"
      href=${`geo:${incident.lat},${incident.lon}?q=${incident.lat},${incident.lon}`}>${t('crew.navigate')}</a>`}
  </article>`;
}

/**
 * That what we were sent to is another's now, or nobody's; or that we dropped out of it.
 * @param {{unit: import('../types.js').Unit, state: import('../types.js').LiveState}} props
 */
function Recalled({ unit, state }) {
  const last = [...state.assignments.values()].filter((one) => one.unit === unit.id)
    .sort((a, b) => b.updated_seq - a.updated_seq)[0];
  const ago = jurisdictionNow(state, Date.now()) - Date.parse(last?.times?.cancelled ?? '');
  if (!last || last.state !== 'cancelled' || !(ago < RECALLED_MS)) return null;
  const dropped = last.end_reason === OUT;
  if (dropped && unit.state !== OUT) return null;
  return html`<p class="notice ${dropped ? '' : 'bad'}" role="alert">${t(
    dropped ? 'crew.dropped_out' : 'crew.recalled', { number: numberOf(state, last.incident) })}</p>
    <${SaidApart} sent=${last} />`;
}

/**
 * That our last word came later than we said it: the desk counts when it came.
 * @param {{sent: import('../types.js').Assignment}} props
 */
function SaidApart({ sent }) {
  const apart = saidApart(sent.said?.[sent.state], sent.times?.[sent.state], here().city.timezone);
  return apart && html`<p class="faint">${t('crew.said_apart', {
    ...apart, state: assignmentWord(sent.state, sent.end_reason) })}</p>`;
}

/**
 * @typedef {{unit: import('../types.js').Unit, sent: import('../types.js').Assignment | undefined,
 *   state: import('../types.js').LiveState}} Props
 */

/**
 * What we said last, and how to say what may be said next.
 * @param {Props} props
 * @param {string[]} may
 */
function useWord({ unit, sent, state }, may) {
  const [pressed, setPressed] = useState(false);
  const said = useStore(entries, (all) => all.find((entry) => entry.unit === unit.id));
  const isOpen = said !== undefined && may.includes(said.body.state)
    && said.body.assignment === (sent?.id ?? '');

  /** @param {string} to */
  const say = async (to) => {
    setPressed(true);
    const at = await position();
    if (said && !isWaiting(said)) await remove(said.id);
    await add(uuid7(), {
      jurisdiction: state.jurisdiction, state: to, assignment: sent?.id ?? '', ...at,
    }, [], { unit: unit.id });
    setPressed(false);
  };
  return { said: isOpen ? said : undefined, waiting: pressed || (isOpen && isWaiting(said)), say };
}

/**
 * The buttons: what comes next, large; what may also be, below.
 * @param {Props} props
 */
function Next({ unit, sent, state }) {
  const may = (NEXT[sent?.state ?? unit.state] ?? []).filter((to) => to !== 'transporting'
    || unit.skills.includes('medical_transport'));
  // Who has said that it drops out doesn't also go on.
  const { said, waiting, say } = useWord({ unit, sent, state }, sent ? [...may, OUT] : may);
  return html`${said && (isWaiting(said) || said.state === 'refused') && html`<${Where} entry=${said}
      zone=${Intl.DateTimeFormat().resolvedOptions().timeZone} />`}
    ${said?.state === 'refused' && html`<div class="notice bad" role="alert">${said.message}</div>`}
    ${may.map((to, n) => html`<button type="button" key=${to} disabled=${waiting}
      class="button big ${n === 0 && sent ? 'primary' : ''}" onClick=${() => say(to)}>
      ${t(unit.state === OUT ? 'crew.say_again' : `crew.say_${to}`)}</button>`)}`;
}

/**
 * That we can't go on: apart from the other buttons, and asked once more, for a wet thumb slips.
 * @param {Props & {sent: import('../types.js').Assignment}} props
 */
function DropOut({ unit, sent, state }) {
  const [asks, setAsks] = useState(false);
  const { waiting, say } = useWord({ unit, sent, state }, [OUT]);
  const question = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!asks) return undefined;
    question.current?.focus();
    question.current?.scrollIntoView({ block: 'nearest' });
    const timer = setTimeout(() => setAsks(false), ASKED_MS);
    return () => clearTimeout(timer);
  }, [asks]);
  if (!asks || waiting) {
    return html`<button type="button" class="button big quiet drop-out" disabled=${waiting}
      onClick=${() => setAsks(true)}>${t('crew.drop_out')}</button>`;
  }
  // The question comes where the button was, so that a second tap on it says nothing.
  return html`<div class="card drop-out" role="group" tabindex="-1" ref=${question}
    aria-label=${t('crew.drop_out')}>
    <p>${t('crew.drop_out_ask', { number: numberOf(state, sent.incident) })}</p>
    <div class="two"><button type="button" class="button big" onClick=${() => setAsks(false)}>
        ${t('crew.drop_out_no')}</button>
      <button type="button" class="button big danger" onClick=${() => {
        setAsks(false);
        say(OUT);
      }}>
        ${t('crew.drop_out_yes')}</button></div>
  </div>`;
}

/**
 * Where the phone is, if it says so soon.
 * @returns {Promise<{lon?: number, lat?: number}>}
 */
function position() {
  return new Promise((resolve) => {
    // A timeout of its own begins only when the person has allowed it.
    setTimeout(() => resolve({}), POSITION_MS);
    navigator.geolocation?.getCurrentPosition((found) => resolve({
      lon: found.coords.longitude, lat: found.coords.latitude,
    }), () => resolve({}), { maximumAge: 30000 });
  });
}
