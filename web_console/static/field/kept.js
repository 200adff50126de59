// What this phone keeps, in IndexedDB: reports and words (outbox), what is half written (drafts)
// and photos. A photo is a record of its own: a picture that can't be kept never keeps words from
// being kept. Not for what is sent when: that is outbox.js.

import { createStore } from '../lib/store.js';

const NAME = 'gridcommand.phone';
/** Where reports were kept together with their photos. */
const OLD_NAME = 'gridcommand.field';

/** @typedef {'outbox' | 'drafts' | 'photos'} Shelf */
/** @type {Record<Shelf, string>} */
const KEYS = { outbox: 'id', drafts: 'key', photos: 'id' };

/** Whether this browser keeps what we save. */
export const durable = createStore(true);

/** @type {IDBDatabase | null} */
let database = null;

/**
 * @param {string} name
 * @param {(database: IDBDatabase, asked: IDBOpenDBRequest) => void} make
 * @returns {Promise<IDBDatabase>}
 */
function connect(name, make) {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(name, 1);
    asked.onupgradeneeded = () => make(asked.result, asked);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/** Open what this phone keeps; without it the page works and says that nothing is kept. */
export async function open() {
  try {
    database = await connect(NAME, (made) => {
      for (const [shelf, keyPath] of Object.entries(KEYS)) made.createObjectStore(shelf, { keyPath });
    });
  } catch {
    durable.set(false);
  }
}

/**
 * @template T
 * @param {IDBDatabase} from
 * @param {string} shelf
 * @param {(store: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>} when it is durable
 */
function run(from, shelf, act) {
  return new Promise((resolve, reject) => {
    const transaction = from.transaction(shelf, 'readwrite', { durability: 'strict' });
    const asked = act(transaction.objectStore(shelf));
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

/**
 * @param {Shelf} shelf
 * @returns {Promise<any[]>} nothing where nothing can be read
 */
export async function all(shelf) {
  if (!database) return [];
  try {
    return await run(database, shelf, (store) => store.getAll());
  } catch {
    durable.set(false);
    return [];
  }
}

/**
 * @param {Shelf} shelf
 * @param {unknown} value
 * @returns {Promise<void>} when it is durable, or said that it isn't
 */
export async function put(shelf, value) {
  if (!database) return;
  try {
    await run(database, shelf, (store) => store.put(value));
  } catch {
    durable.set(false);
  }
}

/**
 * @param {Shelf} shelf
 * @param {string} key
 */
export async function drop(shelf, key) {
  if (!database) return;
  try {
    await run(database, shelf, (store) => store.delete(key));
  } catch {
    durable.set(false);
  }
}

/**
 * Take over what an older page kept with its photos inside; what was taken over is gone there.
 * @param {(old: any) => Promise<void>} take
 */
export async function takeOver(take) {
  if (!database) return;
  /** @type {IDBDatabase} */
  let old;
  try {
    old = await connect(OLD_NAME, (_, asked) => asked.transaction?.abort());
  } catch {
    return; // There is none.
  }
  try {
    for (const entry of await run(old, 'outbox', (store) => store.getAll())) {
      await take(entry);
      await run(old, 'outbox', (store) => store.delete(entry.id));
    }
  } catch {
    durable.set(false);
  } finally {
    old.close();
  }
}
