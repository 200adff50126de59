// What the screens show, derived from the situation. Pure functions; no texts, no DOM.

import { ended, isPlaced } from '../live.js';

/** @typedef {import('../types.js').LiveState} LiveState */
/** @typedef {import('../types.js').Incident} Incident */
/** @typedef {import('../types.js').Unit} Unit */
/** @typedef {import('../types.js').Row} Row */

const ENDED_ASSIGNMENT = new Set(['cleared', 'cancelled']);
const DOES_TASK = new Set(['assigned', 'accepted', 'done']);
const UNDER_WAY = new Set(['accepted', 'en_route']);
const LEAVES = new Set(['transporting', 'at_hospital']);

/**
 * Whether it lies beside every grid cell; one that has no place lies nowhere.
 * @param {Incident} incident
 */
export const outside = (incident) => !!incident.outside && incident.lon != null;

/**
 * The order that takes back an incident's end.
 * @param {Incident} incident an ended one
 * @returns {'unmerge_incident' | 'reopen_incident'}
 */
export const undoing = (incident) =>
  (incident.merged_into ? 'unmerge_incident' : 'reopen_incident');

/** @param {Unit} unit */
export const free = (unit) =>
  (unit.state === 'available' || unit.state === 'returning') && !unit.held_by;

/**
 * Whether a life may be at stake, too unsurely for the machine, and nobody has looked or sent a
 * unit.
 * @param {Incident} incident
 */
export const mayThreatenLife = (incident) => incident.state === 'open' && incident.priority === 1
  && !!incident.triage && !incident.life_threat && !incident.triaged_by;

/**
 * Why a person has something to decide; '' where nobody has. Whatever is open and served by nobody
 * is a person's, and so is a crew that doesn't answer or arrive.
 * @param {LiveState} state
 * @param {Incident} incident
 * @returns {Row['decision']}
 */
export function decision(state, incident) {
  if (ended(incident)) return '';
  if (mayThreatenLife(incident)) return 'maybe';
  if (incident.triage) return 'triage';
  const proposal = incident.proposal ? state.proposals.get(incident.proposal) : undefined;
  const asks = !!proposal && !proposal.automatic;
  if (asks && proposal.choices.some((choice) => choice.chosen)) return 'confirm';
  const missed = missedCrew(state, incident);
  if (missed) return missed.why;
  if (isServed(state, incident)) return asks ? 'short' : '';
  if (!isPlaced(incident)) return 'place';
  return proposal ? 'short' : 'nobody';
}

/**
 * Whether somebody goes or was there, or does a task where nothing else is asked for.
 * @param {LiveState} state
 * @param {Incident} incident
 */
function isServed(state, incident) {
  if (incident.state !== 'open') return true;
  if ((incident.assignments ?? []).some((id) => {
    const assignment = state.assignments.get(id);
    return assignment && running(assignment);
  })) return true;
  return !incident.requirements?.length && (incident.tasks ?? []).some((id) =>
    DOES_TASK.has(state.tasks.get(id)?.state ?? ''));
}

/**
 * Whether what a person was told of is still so: the crew doesn't answer or arrive, no unit goes,
 * the incident is where the playbook's deadline finds it late.
 * @param {LiveState} state
 * @param {Incident} incident
 * @param {import('../types.js').Escalation} told
 */
export function isUnsettled(state, incident, told) {
  if (ended(incident) || told.at < (incident.reopened_at ?? '')) return false;
  if (told.kind === 'dropped_out') return !isServed(state, incident);
  if (told.until === 'triaged' && incident.triaged_by) return false;
  if (!told.kind) return !told.states?.length || told.states.includes(incident.state);
  const sent = toldOf(state, incident, told);
  if (!sent) return false;
  return told.kind === 'unanswered' ? sent.state === 'ordered' : UNDER_WAY.has(sent.state);
}

/**
 * The assignment of the crew that a person was told of.
 * @param {LiveState} state
 * @param {Incident} incident
 * @param {import('../types.js').Escalation} told
 */
const toldOf = (state, incident, told) =>
  (incident.assignments ?? []).map((id) => state.assignments.get(id))
    .find((one) => one && told.deadline === `${one.id}-${told.kind}`);

/**
 * The crew that a person was told of first, that still doesn't answer or arrive, and in whose place
 * nobody was sent since.
 * @param {LiveState} state
 * @param {Incident} incident
 * @returns {{why: 'unanswered' | 'overdue', assignment: import('../types.js').Assignment} | null}
 */
export function missedCrew(state, incident) {
  for (const told of incident.escalations ?? []) {
    const why = told.kind;
    const assignment = toldOf(state, incident, told);
    if ((why === 'unanswered' || why === 'overdue') && assignment
      && isUnsettled(state, incident, told) && !(incident.assignments ?? []).some((id) => {
      const other = state.assignments.get(id);
      return other && other !== assignment && running(other)
        && Date.parse(other.times?.ordered ?? '') >= Date.parse(told.at)
        && (other.override || other.requirement === assignment.requirement);
    })) return { why, assignment };
  }
  return null;
}

/**
 * Whether anything that a person was told of is still so.
 * @param {LiveState} state
 * @param {Incident} incident
 */
export const isEscalated = (state, incident) =>
  (incident.escalations ?? []).some((told) => isUnsettled(state, incident, told));

/**
 * What an incident needs of the people at the desk: 0 a look, for a life may be at stake, 1 another
 * decision, 2 nobody is there yet, 3 somebody is there, 4 the last ones leave.
 * @param {Row} row
 */
function need(row) {
  if (row.decision) return row.decision === 'maybe' ? 0 : 1;
  if (row.units.some((unit) => unit.state === 'on_scene')) return 3;
  return row.incident.state === 'resolved'
    || (row.units.length && row.units.every((unit) => LEAVES.has(unit.state))) ? 4 : 2;
}

/** @param {Incident} a @param {Incident} b */
function byUrgency(a, b) {
  return a.priority - b.priority || (a.opened_at < b.opened_at ? -1 : a.opened_at > b.opened_at
    ? 1 : a.id < b.id ? -1 : 1);
}

/** @param {Incident} a @param {Incident} b */
function lastFirst(a, b) {
  return (b.closed_at ?? b.updated_at) < (a.closed_at ?? a.updated_at) ? -1 : 1;
}

/** @type {{from: unknown[], rows: Row[]}} */
let made = { from: [], rows: [] };

/**
 * All incidents as rows of the queue: what may threaten a life, then what else a person has to decide, then what nobody has
 * reached; within these by priority, then the longest waiting; ended ones last.
 * Kept until something it reads changed, so that a moving unit doesn't sort the queue.
 * @param {LiveState} state
 * @returns {Row[]}
 */
export function rows(state) {
  const from = [state.incidents, state.proposals, state.assignments, state.tasks];
  if (from.every((part, n) => part === made.from[n])) return made.rows;
  /** @type {Row[]} */
  const open = [];
  /** @type {Row[]} */
  const closed = [];
  for (const incident of state.incidents.values()) {
    const units = [];
    for (const id of incident.assignments ?? []) {
      const assignment = state.assignments.get(id);
      if (assignment && !ENDED_ASSIGNMENT.has(assignment.state)) {
        units.push({ id: assignment.unit, state: assignment.state });
      }
    }
    const isEnded = ended(incident);
    (isEnded ? closed : open).push({
      id: incident.id,
      incident,
      group: isEnded ? 'closed' : incident.state === 'open' && !units.length
        ? 'waiting' : 'active',
      decision: decision(state, incident),
      units,
    });
  }
  open.sort((a, b) => need(a) - need(b) || byUrgency(a.incident, b.incident));
  closed.sort((a, b) => lastFirst(a.incident, b.incident));
  made = { from, rows: [...open, ...closed] };
  return made.rows;
}

/**
 * The next row that a person has to decide, after the selected one and then from the top.
 * @param {Row[]} all
 * @param {string} selected
 */
export function nextDecision(all, selected) {
  const at = all.findIndex((row) => row.id === selected);
  return [...all.slice(at + 1), ...all.slice(0, at + 1)].find((row) => row.decision);
}

/**
 * What is told of a unit on its way that is late: it never said that it goes, or should be there.
 * @param {import('../types.js').Assignment} assignment
 * @param {number} now ms
 * @returns {{why: 'unanswered' | 'overdue', late_s: number} | null}
 */
export function lateness(assignment, now) {
  const there = arrival(assignment);
  const ordered = assignment.times?.ordered;
  if (there === null || !ordered) return null;
  const rolls = Date.parse(ordered) + (assignment.turnout_s ?? 0) * 1000;
  if (assignment.state === 'ordered' && now > rolls) {
    return { why: 'unanswered', late_s: (now - Date.parse(ordered)) / 1000 };
  }
  return now > there ? { why: 'overdue', late_s: (now - there) / 1000 } : null;
}

/**
 * @param {Row[]} all
 * @param {'all' | 'decide' | 'active' | 'closed'} filter
 * @param {string} search
 * @param {(incident: Incident) => string} category name to search in
 */
export function filtered(all, filter, search, category) {
  const words = search.trim().toLowerCase();
  return all.filter((row) => {
    if (filter === 'decide' && !row.decision) return false;
    if (filter === 'active' && row.group === 'closed') return false;
    if (filter === 'closed' && row.group !== 'closed') return false;
    if (!words) return true;
    const { incident } = row;
    return [incident.number, incident.place, incident.text, incident.code, category(incident),
      ...row.units.map((u) => u.id)].some((text) => text?.toLowerCase().includes(words));
  });
}

/** @param {Row[]} all */
export function counts(all) {
  const n = { all: 0, waiting: 0, active: 0, closed: 0, decide: 0 };
  for (const row of all) {
    n[row.group] += 1;
    if (row.decision) n.decide += 1;
  }
  n.all = all.length;
  return n;
}

/**
 * What asks for a person's eyes: for marks on the tabs that hold it and in the window's title.
 * @param {LiveState} state
 * @param {Row[]} all
 * @returns {{decide: number, escalated: number, moves: number, failing: '' | 'pipeline' | 'planning'}}
 */
export function attention(state, all) {
  return {
    decide: counts(all).decide,
    escalated: all.filter(({ incident }) => isEscalated(state, incident)).length,
    moves: state.move_ups.size,
    failing: state.pipeline?.state === 'delayed' ? 'pipeline'
      : state.rules.simpler_planning ? 'planning' : '',
  };
}

/**
 * Units by kind: how many are free of how many on duty, largest kind first.
 * @param {LiveState} state
 */
export function kinds(state) {
  /** @type {Map<string, {kind: string, free: number, total: number}>} */
  const found = new Map();
  for (const unit of state.units.values()) {
    let entry = found.get(unit.kind);
    if (!entry) {
      entry = { kind: unit.kind, free: 0, total: 0 };
      found.set(unit.kind, entry);
    }
    if (unit.state !== 'out_of_service') entry.total += 1;
    if (free(unit)) entry.free += 1;
  }
  return [...found.values()].sort((a, b) => b.total - a.total || (a.kind < b.kind ? -1 : 1));
}

/**
 * An incident's assignments, running ones first.
 * @param {LiveState} state
 * @param {Incident} incident
 */
export function assignmentsOf(state, incident) {
  const all = (incident.assignments ?? []).map((id) => state.assignments.get(id));
  const known = /** @type {import('../types.js').Assignment[]} */ (all.filter(Boolean));
  return known.sort((a, b) =>
    Number(ENDED_ASSIGNMENT.has(a.state)) - Number(ENDED_ASSIGNMENT.has(b.state)));
}

/**
 * How far a requirement is met, by the desk's own rule: a unit that came and left counts as had,
 * one that was called back doesn't, and none that was there before the incident was reopened.
 * @param {LiveState} state
 * @param {Incident} incident
 * @param {import('../types.js').Requirement} requirement
 */
export function coverage(state, incident, requirement) {
  const sent = (incident.assignments ?? []).slice(incident.former ?? 0);
  const had = assignmentsOf(state, { ...incident, assignments: sent })
    .filter((a) => [a.requirement, a.also].includes(requirement.key) && a.state !== 'cancelled');
  const proposed = (state.proposals.get(incident.proposal ?? '')?.choices ?? [])
    .filter((c) => c.requirement === requirement.key && c.chosen);
  return { had, proposed, missing: Math.max(0, requirement.count - had.length - proposed.length) };
}

/**
 * Seconds until a unit that fits may be free, where a proposal lacks some; null where nobody knows.
 * @param {import('../types.js').Proposal | undefined} proposal
 * @param {number} now ms
 */
export function nextFree(proposal, now) {
  if (proposal?.next_free_s == null) return null;
  return Math.max(60, (Date.parse(proposal.made_at) - now) / 1000 + proposal.next_free_s);
}

/**
 * For which other incident a unit is kept, or where it was sent, and why that one comes first.
 * @param {LiveState} state
 * @param {string} unit
 * @param {Incident} incident that it isn't proposed for
 * @returns {{incident: Incident, why: 'sent' | 'urgent' | 'sure' | 'longer' | ''} | null}
 */
export function keptFor(state, unit, incident) {
  /** @param {Incident} one */
  const counted = (one) =>
    state.proposals.get(one.proposal ?? '')?.counted_priority || one.priority;
  const others = [...state.proposals.values()]
    .filter((proposal) => proposal.choices.some((choice) => choice.chosen?.unit === unit))
    .map((proposal) => state.incidents.get(proposal.incident))
    .filter((other) => !!other && other.id !== incident.id);
  const other = others.sort((a, b) => byUrgency(/** @type {Incident} */ (a), /** @type {Incident} */ (b)))[0]
    ?? [...state.incidents.values()].find((one) =>
      one.id !== incident.id && !ended(one) && one.pins?.includes(unit));
  if (other) {
    const more = counted(other) - counted(incident);
    return { incident: other, why: more < 0 ? 'urgent' : more > 0 ? ''
      : incident.triage && !other.triage ? 'sure'
        : other.opened_at < incident.opened_at ? 'longer' : '' };
  }
  const at = state.incidents.get(state.units.get(unit)?.incident ?? '');
  return at && at.id !== incident.id ? { incident: at, why: 'sent' } : null;
}

/**
 * The first unit that could go where nobody is proposed and that another incident has.
 * @param {LiveState} state
 * @param {Incident} incident
 * @param {import('../types.js').Choice} choice
 */
export function keptFrom(state, incident, choice) {
  if (choice.chosen) return null;
  const able = [...(choice.runners_up ?? []).map((one) => one.unit),
    ...(choice.excluded ?? []).filter((one) => one.rule === 'elsewhere').flatMap((one) => one.units)];
  for (const unit of able) {
    const kept = keptFor(state, unit, incident);
    if (kept) return { unit, ...kept };
  }
  return null;
}

/** @param {import('../types.js').Assignment} assignment */
export const running = (assignment) => !ENDED_ASSIGNMENT.has(assignment.state);

/**
 * When a unit on its way is there, in ms; null when it isn't on its way.
 * @param {import('../types.js').Assignment} assignment
 */
export function arrival(assignment) {
  const times = assignment.times ?? {};
  if (times.on_scene || !running(assignment) || assignment.cut_off) return null;
  if (times.en_route) {
    // Where roads changed on the way, the drive counts from where that found it.
    const turned = assignment.rerouted_at ? Date.parse(assignment.rerouted_at) : 0;
    return Math.max(Date.parse(times.en_route), turned) + (assignment.drive_s ?? 0) * 1000;
  }
  if (!times.ordered) return null;
  return Date.parse(times.ordered)
    + ((assignment.turnout_s ?? 0) + (assignment.drive_s ?? 0)) * 1000;
}

/**
 * Whether a unit hasn't arrived yet.
 * @param {import('../types.js').Assignment} assignment
 */
export const onTheWay = (assignment) => ['ordered', 'accepted', 'en_route'].includes(assignment.state);

/**
 * Units that a person pinned to an incident and that a proposal doesn't send, with the rule.
 * @param {Incident} incident
 * @param {import('../types.js').Proposal} proposal
 * @returns {{unit: string, rule: string}[]}
 */
export function pinsNotKept(incident, proposal) {
  return (incident.pins ?? []).flatMap((unit) => {
    if (proposal.choices.some((c) => c.chosen?.unit === unit)) return [];
    const out = proposal.choices.flatMap((c) => c.excluded ?? []);
    const found = out.find((rule) => rule.units.includes(unit) && rule.rule !== 'lacks_skill');
    return found ? [{ unit, rule: found.rule }] : [];
  });
}

/**
 * Great-circle distance in metres.
 * @param {{lon: number, lat: number}} a
 * @param {{lon: number, lat: number}} b
 */
export function metresBetween(a, b) {
  const rad = Math.PI / 180;
  const h = Math.sin((b.lat - a.lat) * rad / 2) ** 2 + Math.cos(a.lat * rad)
    * Math.cos(b.lat * rad) * Math.sin((b.lon - a.lon) * rad / 2) ** 2;
  return 12742000 * Math.asin(Math.sqrt(h));
}

const MERGE_FAR_M = 500;

/**
 * What speaks against two incidents being the same: that they are far apart, or of another kind.
 * @param {Incident} a
 * @param {Incident} b
 * @returns {('far' | 'kind')[]}
 */
export function mergeDoubts(a, b) {
  const placed = a.lon != null && a.lat != null && b.lon != null && b.lat != null;
  const far = placed && metresBetween(
    { lon: Number(a.lon), lat: Number(a.lat) }, { lon: Number(b.lon), lat: Number(b.lat) },
  ) > MERGE_FAR_M;
  /** @param {string} category */
  const family = (category) => category.split('.').slice(0, 2).join('.');
  return [
    ...(far ? /** @type {const} */ (['far']) : []),
    ...(family(a.category) !== family(b.category) ? /** @type {const} */ (['kind']) : []),
  ];
}

/**
 * Units that a person may choose for an incident: with what the machine computed where it did,
 * else as the crow flies. Best time first, then nearest.
 * @param {LiveState} state
 * @param {Incident} incident
 */
export function choosable(state, incident) {
  /** @type {Map<string, number>} */
  const computed = new Map();
  for (const choice of state.proposals.get(incident.proposal ?? '')?.choices ?? []) {
    for (const c of [choice.chosen, ...(choice.runners_up ?? [])]) {
      if (c) computed.set(c.unit, c.turnout_s + c.drive_s);
    }
  }
  const place = incident.lon != null && incident.lat != null
    ? { lon: incident.lon, lat: incident.lat } : null;
  return [...state.units.values()]
    .filter((unit) => unit.state !== 'out_of_service' && unit.incident !== incident.id)
    .map((unit) => ({
      unit,
      seconds: computed.get(unit.id) ?? null,
      metres: place ? metresBetween(place, unit) : null,
      free: free(unit),
    }))
    .sort((a, b) => Number(b.free) - Number(a.free)
      || (a.seconds ?? Infinity) - (b.seconds ?? Infinity)
      || (a.metres ?? 0) - (b.metres ?? 0) || (a.unit.id < b.unit.id ? -1 : 1));
}

/**
 * Longitude and latitude of what was typed as "latitude, longitude", as maps and phones show it.
 * @param {string} text
 * @returns {[number, number] | null}
 */
export function parsePoint(text) {
  const found = /^\s*(-?\d{1,2}(?:\.\d+)?)\s*[,，\s]\s*(-?\d{1,3}(?:\.\d+)?)\s*$/.exec(text);
  if (!found) return null;
  const [lat, lon] = [Number(found[1]), Number(found[2])];
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? [lon, lat] : null;
}
