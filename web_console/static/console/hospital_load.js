// What hospitals take and have: patients of the last hour, and whether any takes patients at all.
// Nothing is drawn here. The desk chooses hospitals (dispatch/hospitals.py), and goes on to send to
// one that is full where no other is open.

const HOUR_MS = 3600_000;

/**
 * Patients of the last hour, those on their way among them.
 * @param {import('../types.js').Hospital} hospital
 * @param {number} now
 */
export const load = (hospital, now) => (hospital.bound?.length ?? 0)
  + (hospital.brought ?? []).filter((at) => Date.parse(at) > now - HOUR_MS).length;

/** @param {import('../types.js').Hospital} hospital */
export const takes = (hospital) => hospital.set_per_hour ?? hospital.listed_per_hour;

/**
 * Whether a hospital takes a patient now: it is open, and has had fewer than it takes in an hour.
 * @param {import('../types.js').Hospital} hospital
 * @param {number} now
 */
const isUsable = (hospital, now) => {
  const most = takes(hospital);
  return !hospital.closed && (most == null || load(hospital, now) < most);
};

/**
 * Why no hospital takes patients: `closed`, all are; `full`, those that are open have as many as
 * they take; '' where one does, or none is listed.
 * @param {Iterable<import('../types.js').Hospital>} hospitals
 * @param {number} now
 */
export function noneTakes(hospitals, now) {
  const all = [...hospitals];
  if (!all.length || all.some((one) => isUsable(one, now))) return '';
  return all.every((one) => one.closed) ? 'closed' : 'full';
}

/**
 * What an order on a hospital would make of all of them, where that is that none takes patients
 * any more; '' where one does, or none did before.
 * @param {Map<string, import('../types.js').Hospital>} hospitals
 * @param {Record<string, unknown>} payload of a `set_hospital`
 * @param {number} now
 */
export function wouldLeaveNone(hospitals, payload, now) {
  const one = hospitals.get(String(payload.hospital));
  if (!one || noneTakes(hospitals.values(), now)) return '';
  const perHour = /** @type {number | null} */ (payload.per_hour ?? null);
  const after = { ...one, closed: Boolean(payload.closed), set_per_hour: perHour };
  return noneTakes(new Map(hospitals).set(one.id, after).values(), now);
}
