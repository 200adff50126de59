// The questions a commander is asked before an order leaves: which units, why, what it really is.
// A native <dialog>, so that focus stays inside and Escape leaves.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { gridCells } from '../lib/base_map.js';
import { distance, minutes } from '../lib/format.js';
import { nameOf, t, tOr } from '../lib/i18n.js';
import { usePrefs } from '../lib/prefs.js';
import { useStore } from '../lib/store.js';
import { get } from '../lib/http.js';
import { uuid7 } from '../lib/ids.js';
import { ended, jurisdictionNow } from '../live.js';
import { hospitalName, load, takes } from './hospitals.js';
import { asSeen, order, seen } from './orders.js';
import { Empty, Priority, categoryName, kindName } from './parts.js';
import { share } from './reading.js';
import { choosable, mergeDoubts, metresBetween, parsePoint, running } from './selectors.js';
import { whatTheyDid } from './rules.js';
import { PasswordForm } from '../lib/password.js';
import { ask, callSign, live, setUi, theCity, theSession, ui } from './state.js';

/**
 * @typedef {{kind: 'reason', title: string, text?: string, action: string,
 *     run: (reason: string) => void}
 *   | {kind: 'choose' | 'triage' | 'merge' | 'close', incident: string}
 *   | {kind: 'place', incident: string, lon?: number, lat?: number}
 *   | {kind: 'closure', lon: number, lat: number}
 *   | {kind: 'reopen', closure: string}
 *   | {kind: 'hospital', hospital: string}
 *   | {kind: 'destination', assignment: string}
 *   | {kind: 'again', order: string, incident: string, run: () => void}
 *   | {kind: 'help' | 'password'}} Dialog
 */

export function Dialogs() {
  usePrefs();
  const dialog = useStore(ui, (u) => u.dialog);
  if (!dialog) return null;
  switch (dialog.kind) {
    case 'reason': return html`<${Reason} ...${dialog} />`;
    case 'again': return html`<${Again} ...${dialog} />`;
    case 'choose': return html`<${ChooseUnits} id=${dialog.incident} />`;
    case 'triage': return html`<${Triage} id=${dialog.incident} />`;
    case 'merge': return html`<${Merge} id=${dialog.incident} />`;
    case 'place': return html`<${Place} id=${dialog.incident} lon=${dialog.lon} lat=${dialog.lat} />`;
    case 'close': return html`<${Close} id=${dialog.incident} />`;
    case 'closure': return html`<${CloseRoad} lon=${dialog.lon} lat=${dialog.lat} />`;
    case 'password': return html`<${Password} />`;
    case 'hospital': return html`<${SetHospital} id=${dialog.hospital} />`;
    case 'destination': return html`<${ChooseHospital} id=${dialog.assignment} />`;
    case 'reopen': return html`<${Reopen} id=${dialog.closure} />`;
    default: return html`<${Help} />`;
  }
}

/**
 * @param {{title: string, action?: string, disabled?: boolean, danger?: boolean, wide?: boolean,
 *   onSend?: () => void, children?: any}} props
 */
function Sheet({ title, action, disabled, danger, wide, onSend, children }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    box.current?.showModal();
  }, []);
  const opened = useRef(seen());
  const leave = () => ask(null);
  return html`<dialog ref=${box} class=${wide ? 'wide' : ''} aria-label=${title} onClose=${leave}
    onClick=${(/** @type {MouseEvent} */ e) => { if (e.target === box.current) leave(); }}>
    <form method="dialog" onSubmit=${(/** @type {Event} */ e) => {
      e.preventDefault();
      if (disabled) return;
      leave();
      if (onSend) asSeen(opened.current, onSend);
    }}>
      <header><h2>${title}</h2>
        <button type="button" class="iconbutton" aria-label=${t('dialog.cancel')}
          onClick=${leave}>×</button></header>
      <div class="sheet-body">${children}</div>
      <footer>
        <button type="button" class="button" onClick=${leave}>
          ${t(onSend ? 'dialog.cancel' : 'dialog.ok')}</button>
        ${onSend && html`<button type="submit" class="button ${danger ? 'danger' : 'primary'}"
          disabled=${disabled}>${action}</button>`}
      </footer>
    </form>
  </dialog>`;
}

/**
 * @param {{value: string, onInput: (text: string) => void, needed?: boolean}} props
 */
function ReasonField({ value, onInput, needed }) {
  return html`<label class="field"><span>${t(needed ? 'dialog.reason_needed' : 'dialog.reason')}</span>
    <textarea rows="2" maxlength="500" value=${value} required=${needed} autofocus=${needed}
      onInput=${(/** @type {any} */ e) => onInput(e.currentTarget.value)}></textarea></label>`;
}

/**
 * @param {{title: string, text?: string, action: string, run: (reason: string) => void}} props
 */
function Reason({ title, text, action, run }) {
  const [reason, setReason] = useState('');
  return html`<${Sheet} title=${title} action=${action} disabled=${!reason.trim()}
    onSend=${() => run(reason.trim())}>
    ${text && html`<p>${text}</p>`}
    <${ReasonField} value=${reason} onInput=${setReason} needed /></${Sheet}>`;
}

/**
 * Somebody else ordered here before this order came: what they did, and whether to go on.
 * @param {{order: string, incident: string, run: () => void}} props
 */
function Again({ order: type, incident, run }) {
  const state = useStore(live, (s) => s);
  const number = state.incidents.get(incident)?.number ?? '';
  return html`<${Sheet} title=${t('again.title', { order: t(`order.${type}`), number })}
    action=${t('again.action')} danger onSend=${run}>
    <p class="notice warn">${whatTheyDid(state, type, incident)}</p>
    <p>${t('again.text')}</p></${Sheet}>`;
}

/** @param {{id: string}} props */
function ChooseUnits({ id }) {
  const state = useStore(live, (s) => s);
  const [chosen, setChosen] = useState(/** @type {string[]} */ ([]));
  const [reason, setReason] = useState('');
  const [words, setWords] = useState('');
  const incident = state.incidents.get(id);
  if (!incident || ended(incident)) return html`<${GoneSheet} />`;
  const all = choosable(state, incident).filter(({ unit }) => !words
    || `${unit.id} ${kindName(unit.kind)} ${unit.call_sign ?? ''}`.toLowerCase()
      .includes(words.toLowerCase()));
  /** @param {string} unit */
  const toggle = (unit) => setChosen(chosen.includes(unit)
    ? chosen.filter((u) => u !== unit) : [...chosen, unit]);
  return html`<${Sheet} wide title=${t('choose.title', { number: incident.number })}
    action=${chosen.length ? t('choose.action', { units: chosen.map(callSign).join(', ') }) : t('choose.nobody')}
    disabled=${!chosen.length || !reason.trim()}
    onSend=${() => order(state.jurisdiction, 'send_units',
      { incident: id, units: chosen, reason: reason.trim() }, { key: `send-${id}` })}>
    <input type="search" autofocus value=${words} placeholder=${t('choose.search')} autocomplete="off"
      aria-label=${t('choose.search')}
      onInput=${(/** @type {any} */ e) => setWords(e.currentTarget.value)} />
    <div class="picklist" role="group" aria-label=${t('units.title')}>
      ${all.slice(0, 80).map(({ unit, seconds, metres, free }) => html`<label class="pick" key=${unit.id}>
        <input type="checkbox" checked=${chosen.includes(unit.id)} onChange=${() => toggle(unit.id)} />
        <b>${callSign(unit.id)}</b><span>${kindName(unit.kind)}</span>
        <span class="chip state-${unit.state}">${unit.held_by ? t('units.held')
          : free ? t('units.is_free') : tOr(`unit.${unit.state}`, unit.state)}</span>
        <span class="tab right">${seconds !== null ? minutes(seconds)
          : metres !== null ? t('choose.crow', { d: distance(metres) }) : '–'}</span>
      </label>`)}
      ${!all.length && html`<${Empty} title=${t('units.none_found')} />`}
    </div>
    <p class="faint">${t('choose.text')}</p>
    <${ReasonField} value=${reason} onInput=${setReason} needed />
  </${Sheet}>`;
}

function Password() {
  const me = theSession();
  return html`<${Sheet} title=${t(me.has_password ? 'password.change' : 'password.set')}>
    <${PasswordForm} me=${me} /></${Sheet}>`;
}

const GoneSheet = () => html`<${Sheet} title=${t('detail.gone')}>
  <p>${t('detail.gone_text')}</p></${Sheet}>`;

/** @param {{id: string}} props */
function Triage({ id }) {
  const state = live.get();
  const incident = state.incidents.get(id);
  const [category, setCategory] = useState(incident?.category ?? '');
  const [priority, setPriority] = useState(incident?.priority ?? 3);
  const [grade, setGrade] = useState(incident?.grade ?? 'IV');
  const [reason, setReason] = useState('');
  if (!incident || ended(incident)) return html`<${GoneSheet} />`;
  const names = Object.keys(theCity().categories);
  const roots = names.filter((name) => !name.includes('.'));
  const read = (incident.reading?.categories ?? []).filter((one) => names.includes(one.category));
  return html`<${Sheet} title=${t('triage.title', { number: incident.number })}
    action=${t('triage.action')} onSend=${() => order(state.jurisdiction, 'triage_incident',
      { incident: id, category, priority, grade, reason: reason.trim() }, { key: `triage-${id}` })}>
    ${read.length > 0 && html`<div class="field" role="group" aria-label=${t('triage.read')}>
      <span>${t('triage.read')}</span>
      <div class="offers">${read.map((one) => html`<button type="button" class="button"
        key=${one.category} aria-pressed=${category === one.category}
        onClick=${() => setCategory(one.category)}>${categoryName(one.category)}
        ${' '}<span class="faint">${share(one.probability)}</span></button>`)}</div></div>`}
    <label class="field"><span>${t('triage.category')}</span>
      <select value=${category} onChange=${(/** @type {any} */ e) => setCategory(e.currentTarget.value)}>
        ${roots.map((root) => html`<optgroup key=${root} label=${categoryName(root)}>
          ${names.filter((n) => n === root || n.startsWith(`${root}.`)).map((n) => html`<option
            key=${n} value=${n} selected=${n === category}>${categoryName(n)}</option>`)}
        </optgroup>`)}
      </select></label>
    <fieldset class="field"><legend>${t('triage.priority')}</legend>
      <div class="choices">${[1, 2, 3, 4].map((p) => html`<label key=${p} class="radio">
        <input type="radio" name="priority" checked=${priority === p}
          onChange=${() => setPriority(p)} /><${Priority} priority=${p} />
        <span>${t(`priority.${p}`)}</span></label>`)}</div></fieldset>
    <fieldset class="field"><legend>${t('triage.grade')}</legend>
      <div class="choices">${['I', 'II', 'III', 'IV'].map((g) => html`<label key=${g} class="radio">
        <input type="radio" name="grade" checked=${grade === g} onChange=${() => setGrade(g)} />
        <span>${t(`grade.${g}`)}</span></label>`)}</div></fieldset>
    <${ReasonField} value=${reason} onInput=${setReason} />
  </${Sheet}>`;
}

/**
 * Where an incident is: a click on the map, coordinates, or the cell.
 * @param {{id: string, lon?: number, lat?: number}} props
 */
function Place({ id, lon, lat }) {
  const incident = live.get().incidents.get(id);
  const [point, setPoint] = useState(lon == null || lat == null ? '' : pointText({ lon, lat }));
  const [cell, setCell] = useState('');
  const [words, setWords] = useState('');
  const [reason, setReason] = useState('');
  const [cells, setCells] = useState(/** @type {any[]} */ ([]));
  const [named, setNamed] = useState('');
  const found = usePlaces(named);
  useEffect(() => {
    gridCells().then((grid) => setCells(grid.features.map((/** @type {any} */ f) => f.properties)))
      .catch(() => setCells([]));
  }, []);
  if (!incident || ended(incident)) return html`<${GoneSheet} />`;
  const at = parsePoint(point);
  const chosen = cells.find((one) => cell && cellName(one) === cell);
  const where = at ? { lon: at[0], lat: at[1] } : chosen && !point.trim() ? { cell: chosen.code }
    : null;
  return html`<${Sheet} title=${t('place.title', { number: incident.number })}
    action=${t('place.send')} disabled=${!where}
    onSend=${() => order(live.get().jurisdiction, 'place_incident',
      { incident: id, ...where, place: words.trim(), reason: reason.trim() }, { key: `place-${id}` })}>
    <p><button type="button" class="button" onClick=${() => {
      ask(null);
      setUi({ picking: id, pane: 'map' });
    }}>${t('place.pick')}</button></p>
    <label class="field"><span>${t('place.search')}</span>
      <input type="search" value=${named} autocomplete="off" maxlength="200"
        onInput=${(/** @type {any} */ e) => setNamed(e.currentTarget.value)} /></label>
    ${found !== null && html`<div class="places" role="group" aria-label=${t('place.found')}>
      ${found.map((one) => html`<button type="button" class="button" key=${`${one.kind}${one.lon}${one.lat}`}
        aria-pressed=${point === pointText(one)} onClick=${() => {
          setPoint(pointText(one));
          setWords(words || nameOf(one.names));
        }}>${nameOf(one.names)} <span class="faint">${t(`place.kind.${one.kind}`)}</span></button>`)}
      ${!found.length && html`<p class="faint">${t('place.found_none')}</p>`}</div>`}
    <label class="field"><span>${t('place.point')}</span>
      <input type="text" value=${point} placeholder=${theCity().center.map((degrees) => degrees.toFixed(5)).reverse().join(', ')} inputmode="text" autocomplete="off"
        aria-invalid=${!!point.trim() && !at}
        onInput=${(/** @type {any} */ e) => setPoint(e.currentTarget.value)} /></label>
    ${point.trim() && !at && html`<p class="notice bad">${t('place.bad_point')}</p>`}
    <label class="field"><span>${t('place.cell')}</span>
      <input type="text" list="place-cells" value=${cell} autocomplete="off" disabled=${!!point.trim()}
        onInput=${(/** @type {any} */ e) => setCell(e.currentTarget.value)} />
      <datalist id="place-cells">${cells.map((one) => html`<option key=${one.code}
        value=${cellName(one)} />`)}</datalist></label>
    <label class="field"><span>${t('place.words')}</span>
      <input type="text" value=${words} maxlength="500" autocomplete="off"
        onInput=${(/** @type {any} */ e) => setWords(e.currentTarget.value)} /></label>
    <${ReasonField} value=${reason} onInput=${setReason} />
  </${Sheet}>`;
}

/** @param {{lon: number, lat: number}} at */
const pointText = (at) => `${at.lat.toFixed(6)}, ${at.lon.toFixed(6)}`;

const SEARCH_AFTER_MS = 250;

/**
 * Places that words name, asked for once the typing rests; null: nothing is asked.
 * @param {string} words
 * @returns {{kind: string, names: {zh: string, en: string}, lon: number, lat: number}[] | null}
 */
function usePlaces(words) {
  const [found, setFound] = useState(/** @type {any[] | null} */ (null));
  useEffect(() => {
    const asked = words.trim();
    if (!asked) {
      setFound(null);
      return undefined;
    }
    let gone = false;
    const timer = setTimeout(() => {
      get(`/api/places?limit=6&q=${encodeURIComponent(asked)}`)
        .then((answer) => { if (!gone) setFound(answer.items); })
        .catch(() => { if (!gone) setFound([]); });
    }, SEARCH_AFTER_MS);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [words]);
  return found;
}

/** @param {any} cell properties of a grid cell */
const cellName = (cell) => `${nameOf({ zh: cell.name_zh, en: cell.name_en })} · ${cell.town} · ${cell.code}`;

/** @param {{id: string}} props */
function Merge({ id }) {
  const state = useStore(live, (s) => s);
  const [other, setOther] = useState('');
  const [reason, setReason] = useState('');
  const incident = state.incidents.get(id);
  if (!incident || ended(incident)) return html`<${GoneSheet} />`;
  const place = incident.lon != null && incident.lat != null
    ? { lon: incident.lon, lat: incident.lat } : null;
  const near = [...state.incidents.values()].filter((i) => i.id !== id && !ended(i)).map((i) => ({
    incident: i,
    metres: place && i.lon != null && i.lat != null
      ? metresBetween(place, { lon: i.lon, lat: i.lat }) : Infinity,
  })).sort((a, b) => a.metres - b.metres).slice(0, 30);
  const chosen = state.incidents.get(other);
  const doubts = chosen ? mergeDoubts(incident, chosen) : [];
  return html`<${Sheet} title=${t('merge.title', { number: incident.number })}
    action=${t('merge.action')} disabled=${!other}
    onSend=${() => order(state.jurisdiction, 'merge_incidents',
      { incident: id, duplicate: other, reason: reason.trim() }, { key: `merge-${id}` })}>
    <p class="faint">${t('merge.text')}</p>
    <div class="picklist">
      ${near.map(({ incident: i, metres }) => html`<label class="pick" key=${i.id}>
        <input type="radio" name="duplicate" checked=${other === i.id} onChange=${() => setOther(i.id)} />
        <b>${i.number}</b><span>${categoryName(i.category)} · ${i.place}</span>
        <span class="tab right">${Number.isFinite(metres) ? distance(metres) : '–'}</span></label>`)}
      ${!near.length && html`<${Empty} title=${t('merge.none')} />`}
    </div>
    ${doubts.map((doubt) => html`<p class="notice warn" role="alert" key=${doubt}>
      ${t(`merge.doubt_${doubt}`)}</p>`)}
    <${ReasonField} value=${reason} onInput=${setReason} />
  </${Sheet}>`;
}

/** @param {{id: string}} props */
function Close({ id }) {
  const state = live.get();
  const incident = state.incidents.get(id);
  const [cancelled, setCancelled] = useState(false);
  const [reason, setReason] = useState('');
  if (!incident || ended(incident)) return html`<${GoneSheet} />`;
  return html`<${Sheet} title=${t('close.title', { number: incident.number })} danger
    action=${t('close.action')} disabled=${!reason.trim()}
    onSend=${() => order(state.jurisdiction, 'close_incident',
      { incident: id, cancelled, reason: reason.trim() }, { key: `close-${id}` })}>
    <p>${t('close.text')}</p>
    <label class="check"><input type="checkbox" checked=${cancelled}
      onChange=${() => setCancelled(!cancelled)} /><span>${t('close.cancelled')}</span></label>
    <${ReasonField} value=${reason} onInput=${setReason} needed />
  </${Sheet}>`;
}

/** @param {{id: string}} props */
function SetHospital({ id }) {
  const state = live.get();
  const hospital = state.hospitals.get(id);
  const [closed, setClosed] = useState(false);
  const [perHour, setPerHour] = useState(String((hospital && takes(hospital)) ?? ''));
  const [reason, setReason] = useState('');
  if (!hospital) return html`<${GoneSheet} />`;
  return html`<${Sheet} title=${hospitalName(id)} action=${t('hospitals.set_action')}
    disabled=${!reason.trim()} onSend=${() => order(state.jurisdiction, 'set_hospital', {
      hospital: id, closed, per_hour: perHour === '' ? null : Number(perHour), reason: reason.trim(),
    }, { key: `hospital-${id}` })}>
    <label class="check"><input type="checkbox" checked=${closed}
      onChange=${() => setClosed(!closed)} /><span>${t('hospitals.closed')}</span></label>
    <label class="field"><span>${t('hospitals.per_hour')}</span>
      <input type="number" min="0" max="1000" step="1" value=${perHour} disabled=${closed}
        onInput=${(/** @type {any} */ e) => setPerHour(e.currentTarget.value)} /></label>
    <p class="faint">${t('hospitals.set_text')}</p>
    <${ReasonField} value=${reason} onInput=${setReason} needed />
  </${Sheet}>`;
}

/** @param {{id: string}} props */
function ChooseHospital({ id }) {
  const state = useStore(live, (s) => s);
  const sent = state.assignments.get(id);
  const [chosen, setChosen] = useState('');
  const [reason, setReason] = useState('');
  if (!sent || !running(sent)) return html`<${GoneSheet} />`;
  const now = jurisdictionNow(state, Date.now());
  const looked = sent.hospital_options ?? [];
  const rest = [...state.hospitals.keys()].filter((one) => !looked.some((o) => o.hospital === one));
  return html`<${Sheet} wide title=${t('hospitals.choose', { unit: callSign(sent.unit) })}
    action=${t('hospitals.choose_action')} disabled=${!chosen || !reason.trim()}
    onSend=${() => order(state.jurisdiction, 'send_to_hospital',
      { unit: sent.unit, hospital: chosen, reason: reason.trim() }, { key: `to-${sent.unit}` })}>
    <div class="picklist">
      ${[...looked.map((one) => one.hospital), ...rest].map((one) => {
        const was = looked.find((o) => o.hospital === one);
        const hospital = state.hospitals.get(one);
        const most = (hospital && takes(hospital)) ?? was?.per_hour;
        return html`<label class="pick" key=${one}>
          <input type="radio" name="hospital" checked=${chosen === one} disabled=${sent.hospital === one}
            onChange=${() => setChosen(one)} />
          <b>${hospitalName(one)}</b>
          <span class="faint">${hospital?.closed
            ? html`<span class="chip bad">${t('hospitals.closed')}</span>`
            : hospital && t(most == null ? 'hospitals.taken' : 'hospitals.taken_of',
              { n: load(hospital, now), most: most ?? 0 })}</span>
          <span class="tab right">${was?.drive_s != null ? minutes(was.drive_s) : '–'}</span></label>`;
      })}
    </div>
    <p class="faint">${t('hospitals.choose_text')}</p>
    <${ReasonField} value=${reason} onInput=${setReason} needed />
  </${Sheet}>`;
}

/** @param {{lon: number, lat: number}} props */
function CloseRoad({ lon, lat }) {
  const [radius, setRadius] = useState(60);
  const [speed, setSpeed] = useState(0);
  const [hours, setHours] = useState(0);
  const [reason, setReason] = useState('');
  const send = () => {
    const closure = uuid7();
    const state = live.get();
    const until = hours
      ? new Date(jurisdictionNow(state, Date.now()) + hours * 3600_000).toISOString() : null;
    order(state.jurisdiction, 'close_road',
      { closure, lon, lat, radius_m: radius, speed, until, reason: reason.trim() }, {
        key: 'close_road',
        undo: () => ({ label: t('undo.reopen'), run: () => reopen(closure, t('undo.reason')) }),
      });
  };
  return html`<${Sheet} title=${t('closure.title')} danger action=${t('closure.action')}
    disabled=${!reason.trim()} onSend=${send}>
    <p class="tab faint">${lat.toFixed(5)}, ${lon.toFixed(5)}</p>
    <label class="field"><span>${t('closure.radius', { n: radius })}</span>
      <input type="range" min="20" max="500" step="10" value=${radius}
        onInput=${(/** @type {any} */ e) => setRadius(Number(e.currentTarget.value))} /></label>
    <label class="field"><span>${t('closure.how')}</span>
      <select value=${speed} onChange=${(/** @type {any} */ e) => setSpeed(Number(e.currentTarget.value))}>
        ${[0, 0.25, 0.5].map((one) => html`<option key=${one} value=${one}>
          ${one ? t('closure.slow', { n: one * 100 }) : t('closure.closed')}</option>`)}
      </select></label>
    <label class="field"><span>${t('closure.until')}</span>
      <select value=${hours} onChange=${(/** @type {any} */ e) => setHours(Number(e.currentTarget.value))}>
        ${[0, 1, 4, 12, 24].map((one) => html`<option key=${one} value=${one}>
          ${one ? t('closure.hours', { n: one }) : t('closure.open_end')}</option>`)}
      </select></label>
    <p class="faint">${t(speed ? 'closure.slow_text' : 'closure.text')}</p>
    <${ReasonField} value=${reason} onInput=${setReason} needed />
  </${Sheet}>`;
}

/**
 * @param {string} closure
 * @param {string} reason
 */
function reopen(closure, reason) {
  order(live.get().jurisdiction, 'reopen_road', { closure, reason }, { key: 'reopen_road' });
}

/** @param {{id: string}} props */
function Reopen({ id }) {
  const closure = live.get().closures.get(id);
  const [reason, setReason] = useState('');
  return html`<${Sheet} title=${t('reopen.title')} action=${t('reopen.action')}
    onSend=${() => reopen(id, reason.trim())}>
    <p>${closure?.speed && html`<b>${t('closure.slow', { n: Math.round(closure.speed * 100) })}</b> · `}
      ${closure?.reason || t('reopen.no_reason')}
      ${closure?.by && html` <span class="faint">${closure.by}</span>`}</p>
    <${ReasonField} value=${reason} onInput=${setReason} /></${Sheet}>`;
}

function Help() {
  const keys = ['n', 'j k', 'Enter', 'c', 'o', '/', 'f', 'u', 'Esc', '?'];
  return html`<${Sheet} title=${t('help.title')}>
    <dl class="keys">${keys.map((key) => html`<dt key=${key}>${key.split(' ').map((k) =>
      html`<kbd key=${k}>${k}</kbd>`)}</dt><dd>${t(`help.${key}`)}</dd>`)}</dl>
    <p class="faint">${t('help.text')}</p>
  </${Sheet}>`;
}
