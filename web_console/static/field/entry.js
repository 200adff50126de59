// What waits on this phone and in which order it goes: words first, each photo after the words that
// it belongs to. Pure: sending is outbox.js, keeping is kept.js.

const KEPT_MS = 7 * 86400000;
/** How long the desk has to answer a word that was received; then it may be said again. */
const ANSWER_WITHIN_MS = 15000;

/**
 * @typedef {object} Photo
 * @property {string} id UUIDv7, the photo's id everywhere
 * @property {'waiting' | 'sent' | 'left_out'} state
 * @property {string} [message] why it was left out
 */

/**
 * @typedef {object} Entry
 * @property {string} id UUIDv7, the report's id everywhere
 * @property {string} [task] the task that this is about; a report has none
 * @property {string} [unit] the unit that says what it does now
 * @property {string} [report] the report that this says the place of
 * @property {Record<string, any>} body what its POST takes, without id and photos
 * @property {Photo[]} photos
 * @property {'saved' | 'sending' | 'received' | 'refused'} state
 * @property {number} at
 * @property {string} [receivedAt]
 * @property {boolean} [exercise]
 * @property {import('../types.js').FieldError[]} [errors]
 * @property {string} [message]
 */

/** @param {Entry} entry */
export const isReport = (entry) => !entry.task && !entry.unit && !entry.report;

/**
 * Whether an answer to a word is still to come, so that it isn't said once more.
 * @param {Entry} entry
 */
export const isWaiting = (entry, nowMs = Date.now()) => entry.state === 'saved'
  || entry.state === 'sending' || (entry.state === 'received'
    && nowMs - (entry.receivedAt ? Date.parse(entry.receivedAt) : entry.at) < ANSWER_WITHIN_MS);

/**
 * Where an entry goes.
 * @param {Entry} entry
 */
export const pathOf = (entry) => (entry.task ? `/api/tasks/${encodeURIComponent(entry.task)}`
  : entry.unit ? `/api/units/${encodeURIComponent(entry.unit)}/status`
    : entry.report ? `/api/reports/${entry.report}/place` : '/api/reports');

/**
 * What is posted: the words, and the names of the photos that follow; what says a place has none.
 * @param {Entry} entry
 */
export const bodyOf = (entry) => ({
  ...entry.body,
  id: entry.id,
  ...(entry.unit ? { observed_at: new Date(entry.at).toISOString() }
    : !entry.report && {
      photos: entry.photos.filter((p) => p.state !== 'left_out').map((p) => p.id),
    }),
});

/**
 * What must keep its order: the words about one unit or one task; a report goes by itself, with
 * what is said of its place.
 * @param {Entry} entry
 */
export const lineOf = (entry) => entry.task ?? entry.unit ?? entry.report ?? entry.id;

/** @param {Entry[]} entries */
const oldestFirst = (entries) => [...entries].sort((a, b) => a.at - b.at);

/**
 * @param {Entry[]} entries
 * @param {Set<string>} stuck lines that the server can't take now: they hold no other up
 */
export const nextWords = (entries, stuck) => oldestFirst(entries)
  .find((entry) => entry.state === 'saved' && !stuck.has(lineOf(entry)));

/**
 * The photo that goes next: of words that were received, the one that was tried least.
 * @param {Entry[]} entries
 * @param {Set<string>} stuck photos that the server can't take now
 * @param {Map<string, number>} tries
 * @returns {{entry: Entry, photo: Photo} | undefined}
 */
export const nextPhoto = (entries, stuck, tries) => oldestFirst(entries)
  .filter((entry) => entry.state === 'received')
  .flatMap((entry) => entry.photos.map((photo) => ({ entry, photo })))
  .filter(({ photo }) => photo.state === 'waiting' && !stuck.has(photo.id))
  .sort((a, b) => (tries.get(a.photo.id) ?? 0) - (tries.get(b.photo.id) ?? 0))[0];

/**
 * @param {Entry} entry
 * @param {string} id
 * @param {Partial<Photo>} change
 * @returns {Entry}
 */
export const withPhoto = (entry, id, change) => ({
  ...entry, photos: entry.photos.map((p) => (p.id === id ? { ...p, ...change } : p)),
});

/**
 * What of an entry's photos is still to come.
 * @param {Entry} entry
 */
export const following = (entry) => entry.photos.filter((p) => p.state === 'waiting').length;

/**
 * Whether an entry is kept when the page opens: what is done goes after a week, also a word that was
 * refused; a report that was refused waits for whom it is of.
 * @param {Entry} entry
 * @param {number} nowMs
 */
export const isKept = (entry, nowMs) => entry.state === 'saved' || entry.state === 'sending'
  || (entry.state === 'refused' && isReport(entry)) || following(entry) > 0
  || entry.at > nowMs - KEPT_MS;

/**
 * An entry as an older page kept it: photos inside, and the ids of those that were up already.
 * @param {any} old
 * @param {() => string} newId
 * @returns {{entry: Entry, pictures: {id: string, blob: Blob}[]}}
 */
export function ofOld(old, newId) {
  const { photoIds = [], photos = [], ...rest } = old;
  /** @type {{id: string, blob: Blob}[]} */
  const pictures = photos.slice(photoIds.length).map((/** @type {Blob} */ blob) => ({ id: newId(), blob }));
  return {
    entry: {
      ...rest,
      state: old.state === 'sending' ? 'saved' : old.state,
      photos: [
        ...photoIds.map((/** @type {string} */ id) => ({ id, state: 'sent' })),
        ...pictures.map(({ id }) => ({ id, state: 'waiting' })),
      ],
    },
    pictures,
  };
}
