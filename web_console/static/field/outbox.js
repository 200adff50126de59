// Reports and words about tasks, units and reports on this phone: kept before anything is sent, sent
// with the sender's id until the server says 'received', kept afterwards so that the worker sees
// what became of them. A second send of the same id is the same there, so trying again is safe.
//
// Words go first and wait for no photo: they name the photos, which follow on a way of their own. A
// photo that the server refuses is left out and told; what it belongs to has long been received.

import { ApiError, post, request } from '../lib/http.js';
import { t, tOr } from '../lib/i18n.js';
import { uuid7 } from '../lib/ids.js';
import { createStore } from '../lib/store.js';
import {
  bodyOf, isKept, lineOf, nextPhoto, nextWords, ofOld, pathOf, withPhoto,
} from './entry.js';
import { all, drop, put, takeOver } from './kept.js';
import { heldBy, ready, take, tidy } from './pictures.js';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30000;
/** A photo that can't be made small takes minutes over a bad network. */
const PHOTO_WITHIN_MS = 180000;

/** @typedef {import('./entry.js').Entry} Entry */

/** @type {import('../lib/store.js').Store<Entry[]>} */
export const entries = createStore(/** @type {Entry[]} */ ([]));
/** When words are tried next, in ms; null: none wait. */
export const nextTry = createStore(/** @type {number | null} */ (null));

heldBy(() => entries.get().flatMap((entry) => entry.photos)
  .filter((photo) => photo.state !== 'sent').map((photo) => photo.id));

/** @param {Entry} entry */
async function keep(entry) {
  entries.update((known) => [entry, ...known.filter((e) => e.id !== entry.id)]
    .sort((a, b) => b.at - a.at));
  await put('outbox', entry);
}

/**
 * Change an entry as it stands now: its words and its photos are sent at the same time.
 * @param {string} id
 * @param {(now: Entry) => Entry} change
 */
async function update(id, change) {
  const now = entries.get().find((entry) => entry.id === id);
  if (now) await keep(change(now));
}

/** Read what this phone has. */
export async function load() {
  await takeOver(async (old) => {
    const { entry, pictures } = ofOld(old, uuid7);
    for (const picture of pictures) await put('photos', { ...picture, small: true });
    await put('outbox', entry);
  });
  /** @type {Entry[]} */
  const known = await all('outbox');
  for (const old of known.filter((e) => !isKept(e, Date.now()))) await drop('outbox', old.id);
  entries.set(known.filter((e) => isKept(e, Date.now()))
    .map((e) => (e.state === 'sending' ? { ...e, state: /** @type {'saved'} */ ('saved') } : e))
    .sort((a, b) => b.at - a.at));
}

/** Begin to send what waits. */
export function begin() {
  window.addEventListener('online', () => sendNow());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) sendNow();
  });
  sendNow();
}

/**
 * Save a report, or a word about a task, a unit or a report; it is on this phone when the promise is
 * done, and on its way.
 * @param {string} id
 * @param {Record<string, any>} body
 * @param {import('./entry.js').Photo[]} photos
 * @param {{task?: string, unit?: string, report?: string}} [about]
 */
export async function add(id, body, photos, about = {}) {
  await keep({ id, body, photos, state: 'saved', at: Date.now(), ...about });
  sendNow();
}

/** @param {string} id */
export async function remove(id) {
  entries.update((known) => known.filter((e) => e.id !== id));
  tidy();
  await drop('outbox', id);
}

/**
 * The desk has answered a word that it can't use it; that may be known here before it is received.
 * @param {import('../types.js').Refused} refused
 */
export const refuse = ({ order, code, detail }) => update(order, (now) => ({
  ...now, state: 'refused', errors: [], message: tOr(`refused.${code}`, detail),
}));

/**
 * Send another photo in the place of one that was left out.
 * @param {string} entry
 * @param {string} id
 * @param {Blob} blob
 */
export async function replacePhoto(entry, id, blob) {
  take(blob, id);
  await update(entry, (now) => withPhoto(now, id, { state: 'waiting', message: undefined }));
  sendNow();
}

/**
 * Sends what waits one after the other, and again after a pause where something is left.
 * @param {(stuck: Set<string>) => Promise<'sent' | 'stuck' | 'away' | 'nothing'>} step sends the
 *   next and notes what the server can't take now as stuck
 * @param {(at: number | null) => void} onPause
 */
function sender(step, onPause) {
  let busy = false;
  let failures = 0;
  let timer = 0;
  const drain = async () => {
    if (busy) return;
    busy = true;
    /** @type {Set<string>} */
    const stuck = new Set();
    /** @type {'sent' | 'stuck' | 'away' | 'nothing'} */
    let came = 'sent';
    try {
      while (came === 'sent' || came === 'stuck') {
        came = await step(stuck);
        if (came === 'sent') failures = 0;
      }
    } finally {
      busy = false;
    }
    if (came === 'away' || stuck.size) pause();
  };
  const pause = () => {
    const wait = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.8 + Math.random() * 0.4);
    failures += 1;
    onPause(Date.now() + wait);
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      onPause(null);
      void drain();
    }, wait);
  };
  return () => {
    clearTimeout(timer);
    onPause(null);
    failures = 0;
    void drain();
  };
}

const sendWords = sender(async (stuck) => {
  const entry = nextWords(entries.get(), stuck);
  if (!entry) return 'nothing';
  await update(entry.id, (now) => ({ ...now, state: 'sending' }));
  try {
    const answer = await post(pathOf(entry), bodyOf(entry));
    await update(entry.id, (now) => (now.state === 'refused' ? now : {
      ...now, state: 'received', receivedAt: answer.received_at ?? new Date().toISOString(),
      exercise: answer.exercise,
    }));
  } catch (error) {
    if (mayPass(error)) {
      await update(entry.id, (now) => ({ ...now, state: 'saved' }));
      stuck.add(lineOf(entry));
      return isAway(error) ? 'away' : 'stuck';
    }
    const { errors, message } = /** @type {ApiError} */ (error);
    await update(entry.id, (now) => ({ ...now, state: 'refused', errors, message }));
    return 'sent';
  }
  sendPhotos();
  return 'sent';
}, (at) => nextTry.set(at));

/** @type {Map<string, number>} */
const tries = new Map();

const sendPhotos = sender(async (stuck) => {
  const next = nextPhoto(entries.get(), stuck, tries);
  if (!next) return 'nothing';
  const { entry, photo } = next;
  tries.set(photo.id, (tries.get(photo.id) ?? 0) + 1);
  const blob = await ready(photo.id);
  /** @param {Partial<import('./entry.js').Photo>} change */
  const note = (change) => update(entry.id, (now) => withPhoto(now, photo.id, change));
  if (!blob) {
    await note({ state: 'left_out', message: t('field.photo_gone') });
    return 'sent';
  }
  const form = new FormData();
  form.append('id', photo.id);
  form.append('photo', blob, 'photo.jpg');
  try {
    const answer = await request('POST', '/api/photos', form, { timeoutMs: PHOTO_WITHIN_MS });
    // A hotel's sign-in page answers everything.
    if (answer?.id !== photo.id) return 'away';
    await note({ state: 'sent' });
    tidy();
  } catch (error) {
    if (mayPass(error)) {
      stuck.add(photo.id);
      return isAway(error) ? 'away' : 'stuck';
    }
    await note({ state: 'left_out', message: /** @type {ApiError} */ (error).message });
  }
  return 'sent';
}, () => {});

/** Try at once, whatever pause was set. */
export function sendNow() {
  sendWords();
  sendPhotos();
}

/** @param {unknown} error */
const mayPass = (error) => !(error instanceof ApiError) || error.passing || error.status === 401;

/**
 * Whether nobody answers, or nothing will be taken before a sign-in.
 * @param {unknown} error
 */
const isAway = (error) => !(error instanceof ApiError) || error.status === 0 || error.status === 401;
