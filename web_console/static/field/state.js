// The field page: what it holds. The situation is the worker's own part of it.

import { createStore } from '../lib/store.js';
import { empty } from '../live.js';

/** @type {import('../lib/store.js').Store<import('../types.js').LiveState>} */
export const live = createStore(empty(''));
/** @type {import('../lib/store.js').Store<import('../types.js').Link>} */
export const link = createStore(/** @type {import('../types.js').Link} */ ({
  status: 'connecting', since: Date.now(), nextTryAt: null,
}));

/**
 * @typedef {object} Draft what is on the screen and not yet saved
 * @property {string} category
 * @property {string} text
 * @property {string} place
 * @property {{lon: number, lat: number, accuracy: number | null, by: 'gps' | 'map'} | null} at
 * @property {Blob[]} photos
 * @property {import('../types.js').FieldError[]} errors
 */
/** @type {Draft} */
export const BLANK = { category: '', text: '', place: '', at: null, photos: [], errors: [] };
/** @type {import('../lib/store.js').Store<Draft>} */
export const draft = createStore(BLANK);
/** @param {Partial<Draft>} change */
export const setDraft = (change) => draft.update((d) => ({ ...d, ...change }));

/** @typedef {'crew' | 'report' | 'mine' | 'tasks'} Tab */
/** @type {import('../lib/store.js').Store<Tab>} */
export const tab = createStore(/** @type {Tab} */ ('report'));

export const tick = createStore(Date.now());
setInterval(() => tick.set(Date.now()), 1000);

/** @type {{city: import('../types.js').City, me: import('../types.js').Session,
 *   jurisdiction: string} | null} */
let scene = null;
/**
 * @param {import('../types.js').City} city
 * @param {import('../types.js').Session} me
 * @param {string} jurisdiction
 */
export function begin(city, me, jurisdiction) {
  scene = { city, me, jurisdiction };
}
/** City, person and side; set before anything is drawn. */
export const here = () => /** @type {NonNullable<typeof scene>} */ (scene);
