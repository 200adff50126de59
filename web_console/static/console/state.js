// The commander's page: what it holds, in stores that components and map read. Composition is
// main.js's; what is derived from the situation is selectors.js's.

import { createStore } from '../lib/store.js';
import { empty } from '../live.js';

/** @type {import('../lib/store.js').Store<import('../types.js').LiveState>} */
export const live = createStore(empty(''));

/** @type {import('../lib/store.js').Store<import('../types.js').Link>} */
export const link = createStore(
  /** @type {import('../types.js').Link} */ ({
    status: 'connecting', since: Date.now(), nextTryAt: null,
  }));

/**
 * @typedef {object} Ui
 * @property {string} selected incident id
 * @property {string} unit unit id shown on the map
 * @property {'queue' | 'units'} left
 * @property {'left' | 'map' | 'detail'} pane the one that a narrow screen shows
 * @property {'all' | 'decide' | 'active' | 'closed'} filter
 * @property {string} search
 * @property {import('./dialogs.js').Dialog | null} dialog
 * @property {string} picking what the next click on the map is the place of: `closure`, an
 *   incident id, or nothing
 */
/** @type {import('../lib/store.js').Store<Ui>} */
export const ui = createStore(/** @type {Ui} */ ({
  selected: '', unit: '', left: 'queue', pane: 'left', filter: 'all', search: '', dialog: null,
  picking: '',
}));

/** @param {Partial<Ui>} change */
export const setUi = (change) => ui.update((u) => ({ ...u, ...change }));

/** @param {string} id */
export const select = (id) => setUi({ selected: id, unit: '', pane: id ? 'detail' : 'left' });

/** @param {import('./dialogs.js').Dialog | null} dialog */
export const ask = (dialog) => setUi({ dialog });

/** Seconds tick for ages on screen: local time in ms, once a second. */
export const tick = createStore(Date.now());
setInterval(() => tick.set(Date.now()), 1000);

/** @type {import('../types.js').City | null} */
let city = null;
/** @type {import('../types.js').Session | null} */
let me = null;

/**
 * @param {import('../types.js').City} theCity
 * @param {import('../types.js').Session} theSession
 */
export function begin(theCity, theSession) {
  city = theCity;
  me = theSession;
}
/** The city; set before anything is drawn. */
export const theCity = () => /** @type {import('../types.js').City} */ (city);
/**
 * What people call a unit; its id where it has no call sign.
 * @param {string} id
 */
export const callSign = (id) => live.get().units.get(id)?.call_sign || id;
export const theSession = () => /** @type {import('../types.js').Session} */ (me);
