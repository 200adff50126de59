// Reports and words about tasks and units on this phone: written to IndexedDB before anything is
// sent, sent with the sender's id until the server says 'received', kept afterwards so that the
// worker sees what became of them. A second send of the same id is the same there, so trying again
// is safe.

import { ApiError, post } from '../lib/http.js';
import { createStore } from '../lib/store.js';

const NAME = 'gridcommand.field';
const STORE = 'outbox';
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30000;
const KEPT_DAYS = 7;
/** How long the desk has to answer a word that was received; then it may be said again. */
const ANSWER_WITHIN_MS = 15000;

/**
 * @typedef {object} Entry
 * @property {string} id UUIDv7, the report's id everywhere
 * @property {string} [task] the task that this is about; a report has none
 * @property {string} [unit] the unit that says what it does now
 * @property {Record<string, any>} body what its POST takes, without id and photos
 * @property {Blob[]} photos
 * @property {string[]} photoIds those of `photos` that are up already
 * @property {'saved' | 'sending' | 'received' | 'refused'} state
 * @property {number} at
 * @property {string} [receivedAt]
 * @property {boolean} [exercise]
 * @property {import('../types.js').FieldError[]} [errors]
 * @property {string} [message]
 */

/** @type {import('../lib/store.js').Store<Entry[]>} */
export const entries = createStore(/** @type {Entry[]} */ ([]));
/** When the next try is due, in ms; null: nothing waits. */
export const nextTry = createStore(/** @type {number | null} */ (null));
/** Whether this browser keeps what we save. */
export const durable = createStore(true);

/** @type {IDBDatabase | null} */
let database = null;
let sending = false;
let failures = 0;
let timer = 0;

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: 'id' });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/**
 * @param {(store: IDBObjectStore) => IDBRequest} act
 * @returns {Promise<any>} when it is durable
 */
function run(act) {
  return new Promise((resolve, reject) => {
    if (!database) {
      resolve(undefined);
      return;
    }
    const transaction = database.transaction(STORE, 'readwrite', { durability: 'strict' });
    const asked = act(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** @param {Entry} entry */
async function keep(entry) {
  entries.update((all) => [entry, ...all.filter((e) => e.id !== entry.id)]
    .sort((a, b) => b.at - a.at));
  try {
    await run((store) => store.put(entry));
  } catch {
    durable.set(false);
  }
}

/** Read what this phone has and begin to send what waits. */
export async function begin() {
  try {
    database = await open();
    /** @type {Entry[]} */
    const all = await run((store) => store.getAll());
    const oldest = Date.now() - KEPT_DAYS * 86400000;
    const fresh = all.filter((e) => e.state !== 'received' || e.at > oldest);
    for (const old of all.filter((e) => !fresh.includes(e))) await run((s) => s.delete(old.id));
    entries.set(fresh.map((e) => (e.state === 'sending'
      ? { ...e, state: /** @type {'saved'} */ ('saved') } : e))
      .sort((a, b) => b.at - a.at));
  } catch {
    durable.set(false);
  }
  window.addEventListener('online', () => sendNow());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) sendNow();
  });
  sendNow();
}

/**
 * Save a report, or a word about a task or a unit; it is on this phone when the promise is done, and
 * on its way.
 * @param {string} id
 * @param {Record<string, any>} body
 * @param {Blob[]} photos
 * @param {{task?: string, unit?: string}} [about]
 */
export async function add(id, body, photos, about = {}) {
  await keep({ id, body, photos, photoIds: [], state: 'saved', at: Date.now(), ...about });
  sendNow();
}

/** @param {Entry} entry */
export const isReport = (entry) => !entry.task && !entry.unit;

/**
 * Whether an answer to a word is still to come, so that it isn't said once more.
 * @param {Entry} entry
 */
export const isWaiting = (entry) => entry.state === 'saved' || entry.state === 'sending'
  || (entry.state === 'received' && Date.now() - entry.at < ANSWER_WITHIN_MS);

/**
 * Where an entry goes.
 * @param {Entry} entry
 */
const pathOf = (entry) => (entry.task ? `/api/tasks/${encodeURIComponent(entry.task)}`
  : entry.unit ? `/api/units/${encodeURIComponent(entry.unit)}/status` : '/api/reports');

/** @param {string} id */
export async function remove(id) {
  entries.update((all) => all.filter((e) => e.id !== id));
  await run((store) => store.delete(id));
}

/** Try at once, whatever pause was set. */
export function sendNow() {
  clearTimeout(timer);
  nextTry.set(null);
  failures = 0;
  void drain();
}

async function drain() {
  if (sending) return;
  sending = true;
  try {
    for (;;) {
      const next = [...entries.get()].reverse().find((e) => e.state === 'saved');
      if (!next) break;
      if (!await send(next)) {
        pause();
        break;
      }
      failures = 0;
    }
  } finally {
    sending = false;
  }
}

function pause() {
  const wait = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.8 + Math.random() * 0.4);
  failures += 1;
  nextTry.set(Date.now() + wait);
  clearTimeout(timer);
  timer = window.setTimeout(() => {
    nextTry.set(null);
    void drain();
  }, wait);
}

/**
 * @param {Entry} entry
 * @returns {Promise<boolean>} whether the server has answered, yes or no
 */
async function send(entry) {
  let now = { ...entry, state: /** @type {'sending'} */ ('sending') };
  await keep(now);
  try {
    while (now.photoIds.length < now.photos.length) {
      const form = new FormData();
      form.append('photo', now.photos[now.photoIds.length], 'photo.jpg');
      const { id } = await post('/api/photos', form);
      now = { ...now, photoIds: [...now.photoIds, id] };
      await keep(now);
    }
    const answer = await post(pathOf(now), {
      ...now.body,
      id: now.id,
      ...(now.unit ? { observed_at: new Date(now.at).toISOString() } : { photos: now.photoIds }),
    });
    await keep({
      ...now, photos: [], state: 'received', receivedAt: answer.received_at ?? new Date().toISOString(),
      exercise: answer.exercise,
    });
    return true;
  } catch (error) {
    if (!(error instanceof ApiError) || error.passing || error.status === 401) {
      await keep({ ...now, state: 'saved' });
      return false;
    }
    await keep({ ...now, state: 'refused', errors: error.errors, message: error.message });
    return true;
  }
}
