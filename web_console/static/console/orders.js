// A person's orders from the button to the journal: sent, then carried out or refused, as the
// live channel says. Nothing is shown as done before the journal has it. Not for deciding what
// may be ordered: the desk does.

import { ApiError, post } from '../lib/http.js';
import { t } from '../lib/i18n.js';
import { uuid7 } from '../lib/ids.js';
import { createStore } from '../lib/store.js';
import { ask, live, ui } from './state.js';

const ANSWER_MS = 10000;
const NOTE_MS = 9000;
const READ_MS = 600;
/** What came onto the screen so shortly before a press was not read. */
const UNREAD_MS = 700;
const CHANGED = 'changed_meanwhile';

/**
 * @typedef {{id: string, type: string, incident: string, key: string, late: boolean}} Pending
 * @typedef {{id: string, tone: 'good' | 'bad' | 'info', text: string, incident?: string,
 *   undo?: {label: string, run: () => void}}} Note
 * @typedef {{key?: string, done?: string, undo?: () => {label: string, run: () => void} | undefined,
 *   onDone?: () => void, sure?: boolean}} Options
 * @typedef {Options & {again: () => void}} Wanted
 */

/** @type {import('../lib/store.js').Store<Map<string, Pending>>} */
export const pending = createStore(new Map());
/** @type {import('../lib/store.js').Store<Note[]>} */
export const notes = createStore(/** @type {Note[]} */ ([]));
/** @type {Map<string, Wanted>} */
const wanted = new Map();

/**
 * By type of order: what looks at an order before it goes. It returns true where it asks a person
 * first, and then calls `send` itself.
 * @type {Map<string, (payload: Record<string, unknown>, send: () => void) => boolean>}
 */
export const guards = new Map();

/** @type {{at: number, jurisdiction: string, seq: number}[]} */
let drawn = [];
live.subscribe(() => {
  const { jurisdiction, seq } = live.get();
  const at = Date.now();
  const read = drawn.filter((d) => d.at <= at - UNREAD_MS).at(-1);
  drawn = [...drawn.filter((d) => d === read || d.at > at - UNREAD_MS), { at, jurisdiction, seq }];
});

/** Place in the journal up to which a person can have read what happened. */
export function seen() {
  const { jurisdiction, seq } = live.get();
  const here = drawn.filter((d) => d.jurisdiction === jurisdiction);
  const read = here.filter((d) => d.at <= Date.now() - UNREAD_MS).at(-1) ?? here[0];
  return read?.seq ?? seq;
}

/** @type {number | null} */
let asked = null;

/**
 * Let the orders that `run` gives say that their giver saw no more than this.
 * @param {number} seq
 * @param {() => void} run
 */
export function asSeen(seq, run) {
  asked = seq;
  try {
    run();
  } finally {
    asked = null;
  }
}

/**
 * @param {Omit<Note, 'id'>} note
 * @param {number} [forMs]
 */
export function tell(note, forMs = NOTE_MS) {
  const id = uuid7();
  notes.update((all) => [...all.slice(-3), { ...note, id }]);
  setTimeout(() => dismiss(id), forMs);
  return id;
}

/** @param {string} id */
export const dismiss = (id) => notes.update((all) => all.filter((n) => n.id !== id));

/** @param {string} id */
function forget(id) {
  pending.update((now) => {
    const next = new Map(now);
    next.delete(id);
    return next;
  });
  const options = wanted.get(id);
  wanted.delete(id);
  return options;
}

/**
 * Send an order.
 * @param {string} jurisdiction
 * @param {string} type
 * @param {Record<string, unknown>} payload
 * @param {Options} [options] `key` names the button, so that it alone shows that it waits; `sure`
 *   that no guard asks any more
 */
export async function order(jurisdiction, type, payload, options = {}) {
  const send = () => { order(jurisdiction, type, payload, { ...options, sure: true }); };
  if (!options.sure && guards.get(type)?.(payload, send)) return;
  const id = uuid7();
  const incident = typeof payload.incident === 'string' ? payload.incident : '';
  const entry = { id, type, incident, key: options.key ?? type, late: false };
  const saw = asked ?? seen();
  wanted.set(id, {
    ...options,
    again: () => asSeen(live.get().seq, () => order(jurisdiction, type, payload, options)),
  });
  pending.update((now) => new Map(now).set(id, entry));
  setTimeout(() => {
    if (!pending.get().has(id)) return;
    pending.update((now) => new Map(now).set(id, { ...entry, late: true }));
    tell({ tone: 'info', text: t('order.late', { order: t(`order.${type}`) }), incident });
  }, ANSWER_MS);
  try {
    await post('/api/orders', { id, jurisdiction, type, saw, ...payload });
  } catch (error) {
    forget(id);
    const detail = error instanceof ApiError ? reasons(error) : String(error);
    tell({ tone: 'bad', text: t('order.failed', { order: t(`order.${type}`), detail }), incident });
  }
}

/** @param {ApiError} error */
function reasons(error) {
  const fields = error.errors.map((e) => e.message).join(' · ');
  return fields || error.message;
}

/** @param {string} id */
function carriedOut(id) {
  const waiting = pending.get().get(id);
  if (!waiting) return;
  const options = forget(id);
  options?.onDone?.();
  tell({
    tone: 'good',
    text: options?.done ?? t('order.done', { order: t(`order.${waiting.type}`) }),
    incident: waiting.incident,
    undo: options?.undo?.(),
  });
}

/**
 * The journal went on: settle the orders that it names as a cause. An order's own entry says only
 * that the desk has read it; what it decided stands beside it, and may be a refusal.
 * @param {import('../types.js').LogEntry[]} log
 */
export function settle(log) {
  const refused = new Set(log.filter((e) => e.type.endsWith('order.refused')).map((e) => e.cause));
  for (const entry of log) {
    if (entry.cause && !refused.has(entry.cause)) carriedOut(entry.cause);
    const { id } = entry;
    if (id && !refused.has(id) && pending.get().has(id)) setTimeout(() => carriedOut(id), READ_MS);
  }
}

/**
 * The desk said no; the new proposal, if there is one, comes with the same frames.
 * @param {import('../types.js').Refused} refused
 */
export function refuse(refused) {
  const waiting = pending.get().get(refused.order);
  if (!waiting) return;
  const again = forget(refused.order)?.again;
  const incident = refused.incident || waiting.incident;
  if (refused.code === CHANGED && again && !ui.get().dialog) {
    ask({ kind: 'again', order: waiting.type, incident, run: again });
    return;
  }
  tell({
    tone: 'bad',
    text: t(refused.proposal ? 'order.refused_with' : 'order.refused', {
      order: t(`order.${waiting.type}`),
      detail: refusal(refused.code, refused.detail),
    }),
    incident,
    undo: refused.code === CHANGED && again ? { label: t('again.action'), run: again } : undefined,
  }, 20000);
}

/**
 * @param {string} code
 * @param {string} detail
 */
export function refusal(code, detail) {
  const text = t(`refused.${code}`);
  return text === `refused.${code}` ? detail : text;
}

/**
 * Whether the button of this key waits for the desk.
 * @param {Map<string, Pending>} now
 * @param {string} key
 */
export const waits = (now, key) => [...now.values()].some((p) => p.key === key);
