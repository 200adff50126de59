// The field page: what it holds. The situation is the worker's own part of it.

import { createStore } from '../lib/store.js';
import { empty } from '../live.js';
import { keepDraft } from './drafts.js';
import { heldBy } from './pictures.js';

/** @type {import('../lib/store.js').Store<import('../types.js').LiveState>} */
export const live = createStore(empty(''));
/** @type {import('../lib/store.js').Store<import('../types.js').Link>} */
export const link = createStore(/** @type {import('../types.js').Link} */ ({
  status: 'connecting', since: Date.now(), nextTryAt: null,
}));

/**
 * @typedef {object} Draft what is on the screen and not yet sent
 * @property {string} category
 * @property {string} text
 * @property {string} place
 * @property {import('./place.js').At | null} at
 * @property {string[]} photos ids
 * @property {number} keptAt when it was written that was found on this phone, in ms; 0: now
 * @property {import('../types.js').FieldError[]} errors
 */
/** @type {Draft} */
export const BLANK = { category: '', text: '', place: '', at: null, photos: [], keptAt: 0, errors: [] };
/** @type {import('../lib/store.js').Store<Draft>} */
export const draft = createStore(BLANK);
/** @param {Partial<Draft>} change */
export const setDraft = (change) => draft.update((d) => ({ ...d, ...change }));
/**
 * Whether somebody wrote something: where this phone is doesn't count, for it may be elsewhere
 * when the next report is written.
 * @param {Draft} d
 */
export const isBlank = (d) => !d.category && !d.text.trim() && !d.place.trim() && !d.photos.length;

/** @typedef {{note: string, photos: string[]}} TaskDraft */
/** What is written about tasks and not yet sent, by the task's id. */
export const taskDrafts = createStore(/** @type {Record<string, TaskDraft>} */ ({}));
/**
 * @param {string} task
 * @param {TaskDraft | null} change null: it is done with
 */
export const setTaskDraft = (task, change) => taskDrafts.update(({ [task]: _, ...others }) => (
  change ? { ...others, [task]: change } : others));

/** @typedef {{at: import('./place.js').At | null, place: string}} PlaceDraft */
/** Where reports are that were sent without a place, as far as it is not sent yet; by report. */
export const placeDrafts = createStore(/** @type {Record<string, PlaceDraft>} */ ({}));
/**
 * @param {string} report
 * @param {PlaceDraft | null} change null: it is done with
 */
export const setPlaceDraft = (report, change) => placeDrafts.update(({ [report]: _, ...others }) => (
  change ? { ...others, [report]: change } : others));

heldBy(() => [...draft.get().photos, ...Object.values(taskDrafts.get()).flatMap((d) => d.photos)]);

/**
 * Bring back what was half written, and keep it from now on.
 * @param {string} jurisdiction what was written in earnest never shows up in an exercise
 */
export async function keepDrafts(jurisdiction) {
  await keepDraft(`${jurisdiction}/report`, draft, (d) => (isBlank(d) ? null : {
    category: d.category, text: d.text, place: d.place, at: d.at, photos: d.photos,
  }), (kept, keptAt) => ({ ...BLANK, ...kept, keptAt }));
  await keepDraft(`${jurisdiction}/tasks`, taskDrafts, (all) => (
    Object.keys(all).length ? all : null), (kept) => kept);
  await keepDraft(`${jurisdiction}/places`, placeDrafts, (all) => (
    Object.keys(all).length ? all : null), (kept) => kept);
}

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
