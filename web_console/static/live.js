// What a screen knows of one jurisdiction, folded out of the live channel's frames. Pure: frames
// in, state out, no clock but the one handed in. lib/channel.js brings the frames; see there for
// connecting and healing. A frame that doesn't follow on what we have is never applied: `resume`
// says that the server must be asked again from our `seq`.

/** @typedef {import('./types.js').LiveState} LiveState */
/** @typedef {import('./types.js').Frame} Frame */
/** @typedef {import('./types.js').Kind} Kind */

export const LOG_KEPT = 300;
export const UNHEARD_MS = 6000;
/** @type {readonly Kind[]} */
export const KINDS = ['incidents', 'units', 'assignments', 'proposals', 'tasks', 'closures',
  'move_ups', 'hospitals'];
const ENDED = new Set(['closed', 'cancelled']);

/**
 * @param {string} jurisdiction
 * @returns {LiveState}
 */
export function empty(jurisdiction) {
  return {
    ready: false, jurisdiction, exercise: false, seq: 0, now: null, wall: null, heardAt: 0,
    clock: null, pipeline: null, incidents: new Map(), units: new Map(), assignments: new Map(),
    proposals: new Map(), tasks: new Map(), closures: new Map(), move_ups: new Map(),
    hospitals: new Map(), rules: {}, log: [], behind: 0, unshown: 0,
  };
}

/**
 * @param {LiveState} state
 * @param {Frame} frame
 * @param {number} heardAt local time of receipt, in ms
 * @returns {{state: LiveState, resume: boolean}}
 */
export function reduce(state, frame, heardAt) {
  switch (frame.type) {
    case 'snapshot':
      return { state: fromSnapshot(frame, state, heardAt), resume: false };
    case 'delta':
      return delta(state, frame, heardAt);
    case 'heartbeat':
      return heartbeat(state, frame, heardAt);
    default:
      return { state, resume: false };
  }
}

/**
 * @param {Extract<Frame, {type: 'snapshot'}>} frame
 * @param {LiveState} before
 * @param {number} heardAt
 * @returns {LiveState}
 */
function fromSnapshot(frame, before, heardAt) {
  const next = empty(frame.jurisdiction);
  for (const kind of KINDS) put(mapOf(next, kind), frame.situation[kind] ?? []);
  return {
    ...next,
    ready: true,
    exercise: frame.exercise,
    seq: frame.seq,
    now: frame.now,
    wall: frame.wall ?? null,
    clock: frame.clock ?? null,
    heardAt,
    pipeline: before.pipeline,
    unshown: frame.unshown ?? 0,
    rules: frame.situation.rules ?? {},
    log: before.jurisdiction === frame.jurisdiction ? before.log : [],
  };
}

/**
 * @param {LiveState} state
 * @param {Extract<Frame, {type: 'delta'}>} frame
 * @param {number} heardAt
 */
function delta(state, frame, heardAt) {
  if (!state.ready || frame.from > state.seq) return { state, resume: true };
  // Told twice, applied once. Something new that begins before our seq would mix two pasts.
  if (frame.seq < state.seq) return { state: { ...state, heardAt }, resume: false };
  if (frame.from < state.seq && frame.seq > state.seq) return { state, resume: true };
  /** @type {LiveState} */
  const next = { ...state, seq: frame.seq, now: frame.now, heardAt, behind: 0 };
  for (const kind of KINDS) {
    const come = frame.upsert?.[kind];
    const gone = frame.remove?.[kind];
    if (!come?.length && !gone?.length) continue;
    const copy = new Map(mapOf(state, kind));
    put(copy, come ?? []);
    for (const id of gone ?? []) copy.delete(id);
    Object.assign(next, { [kind]: copy });
  }
  if (frame.upsert?.rules) next.rules = frame.upsert.rules;
  if (frame.log?.length) next.log = [...state.log, ...frame.log].slice(-LOG_KEPT);
  return { state: next, resume: false };
}

/**
 * @param {LiveState} state
 * @param {Extract<Frame, {type: 'heartbeat'}>} frame
 * @param {number} heardAt
 */
function heartbeat(state, frame, heardAt) {
  // A delta may be on its way while the heartbeat is written; two heartbeats ahead of us are a gap.
  const behind = state.ready && frame.seq > state.seq ? state.behind + 1 : 0;
  const next = {
    ...state,
    now: frame.now,
    wall: frame.wall ?? state.wall,
    clock: frame.clock === undefined ? state.clock : frame.clock,
    pipeline: frame.pipeline ?? null,
    unshown: frame.unshown ?? state.unshown,
    heardAt,
    behind,
  };
  return { state: next, resume: behind >= 2 };
}

/**
 * The entities of a kind, of which only the id matters here.
 * @param {LiveState} state
 * @param {Kind} kind
 */
const mapOf = (state, kind) => /** @type {Map<string, {id: string}>} */ (
  /** @type {unknown} */ (state[kind]));

/**
 * @param {Map<string, {id: string}>} map
 * @param {{id: string}[]} entities
 */
function put(map, entities) {
  for (const entity of entities) map.set(entity.id, entity);
}

/** @param {import('./types.js').Incident} incident */
export const ended = (incident) => ENDED.has(incident.state);

/**
 * Whether it has a place of its own that units can be sent to.
 * @param {import('./types.js').Incident} incident
 */
export const isPlaced = (incident) => incident.lon != null && incident.lat != null && !incident.far;

/**
 * The jurisdiction's time, in ms: an exercise runs at its own speed between two heartbeats. It
 * stands still when nothing was heard for a while: nobody knows how the clock went on.
 * @param {LiveState} state
 * @param {number} localMs local time now
 */
export function jurisdictionNow(state, localMs) {
  if (!state.now) return localMs;
  const base = Date.parse(state.now);
  if (state.clock?.paused) return base;
  const since = Math.min(Math.max(0, localMs - state.heardAt), UNHEARD_MS);
  return base + since * (state.clock?.speed ?? 1);
}
