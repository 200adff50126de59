// The photos on this phone, by id: taken whole at once, made small beside, kept until nothing here
// needs them any more.

import { uuid7 } from '../lib/ids.js';
import { createStore } from '../lib/store.js';
import { all, drop, put } from './kept.js';
import { shrink } from './photo.js';

/** @typedef {{id: string, blob: Blob, small: boolean}} Picture */

/** @type {import('../lib/store.js').Store<Map<string, Picture>>} */
export const pictures = createStore(/** @type {Map<string, Picture>} */ (new Map()));
/** @type {Map<string, Promise<Blob | undefined>>} */
const making = new Map();
/** @type {(() => string[])[]} */
const holders = [];

/**
 * Say who needs photos; what nobody names is forgotten by `tidy`.
 * @param {() => string[]} ids
 */
export const heldBy = (ids) => { holders.push(ids); };

/** @param {Picture} picture */
async function keep(picture) {
  pictures.update((known) => new Map(known).set(picture.id, picture));
  await put('photos', picture);
}

/** Read what this phone has. */
export async function load() {
  pictures.set(new Map((await all('photos')).map((picture) => [picture.id, picture])));
}

/**
 * Take a photo, as it is; it is made small meanwhile.
 * @param {Blob} blob
 * @param {string} [id] of the one that it replaces
 * @returns {string} its id
 */
export function take(blob, id = uuid7()) {
  making.delete(id);
  void keep({ id, blob, small: false });
  void ready(id);
  return id;
}

/**
 * @param {string} id
 * @returns {Promise<Blob | undefined>} as it goes out: small where this browser can draw it
 */
export function ready(id) {
  const under = making.get(id);
  if (under) return under;
  const made = make(id);
  making.set(id, made);
  return made;
}

/** @param {string} id */
async function make(id) {
  const known = pictures.get().get(id);
  if (!known || known.small) return known?.blob;
  const blob = await shrink(known.blob);
  // Unless it was removed or replaced meanwhile.
  if (pictures.get().get(id) === known) await keep({ id, blob, small: true });
  return blob;
}

/** Forget the photos that nothing here needs. */
export function tidy() {
  const held = new Set(holders.flatMap((ids) => ids()));
  const free = [...pictures.get().keys()].filter((id) => !held.has(id));
  if (!free.length) return;
  pictures.update((known) => new Map([...known].filter(([id]) => held.has(id))));
  for (const id of free) {
    making.delete(id);
    void drop('photos', id);
  }
}
