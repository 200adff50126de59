// What is half written, kept on this phone until it is sent or cleared by hand: a reload, or a phone
// that runs out of memory while the camera is open, must not cost a sentence.

import { all, drop, put } from './kept.js';

const KEPT_MS = 7 * 86400000;

/**
 * Fill a store with what was kept under a key, and keep it there whenever it changes.
 * @template T
 * @param {string} key
 * @param {import('../lib/store.js').Store<T>} store
 * @param {(value: T) => unknown} worth what of it is kept; null: nothing worth keeping
 * @param {(kept: any, at: number) => T} fill
 */
export async function keepDraft(key, store, worth, fill) {
  const known = (await all('drafts')).find((one) => one.key === key);
  if (known && known.at > Date.now() - KEPT_MS) store.set(fill(known.value, known.at));
  let writing = false;
  let changed = false;
  const write = async () => {
    changed = true;
    if (writing) return;
    writing = true;
    while (changed) {
      changed = false;
      const value = worth(store.get());
      await (value === null ? drop('drafts', key) : put('drafts', { key, value, at: Date.now() }));
    }
    writing = false;
  };
  store.subscribe(write);
}
