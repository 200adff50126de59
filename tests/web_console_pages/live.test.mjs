// The reducer of the live channel: what is applied, what is told twice, what needs asking again.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LOG_KEPT, UNHEARD_MS, empty, jurisdictionNow, reduce } from '../../web_console/static/live.js';

const NOW = '2017-01-01T08:00:00Z';
const unit = (id, lon) => ({ id, lon, lat: 37.7, kind: 'engine', state: 'available' });
const snapshot = (seq = 10, units = [unit('E01', -122.4)]) => ({
  type: 'snapshot', jurisdiction: 'us-ca-sf.exercise', exercise: true, seq, now: NOW,
  clock: { speed: 60, paused: false, anchor_sim: NOW, anchor_wall: NOW },
  situation: { units, rules: { automatic_priorities: [1] } },
});
const delta = (from, seq, rest = {}) => ({ type: 'delta', from, seq, now: NOW, ...rest });
const beat = (seq) => ({ type: 'heartbeat', seq, now: NOW, pipeline: { state: 'ok' } });
const begun = () => reduce(empty('us-ca-sf.exercise'), snapshot(), 1000).state;

test('a snapshot replaces all that was known', () => {
  const { state } = reduce(begun(), snapshot(20, [unit('E02', -122.5)]), 2000);
  assert.deepEqual([...state.units.keys()], ['E02']);
  assert.equal(state.seq, 20);
  assert.equal(state.ready, true);
});

test('a delta that follows on is applied; what it does not touch stays the same object', () => {
  const before = begun();
  const { state, resume } = reduce(before, delta(10, 12, {
    upsert: { incidents: [{ id: 'i1' }] }, log: [{ seq: 11, type: 'incident.opened' }],
  }), 2000);
  assert.equal(resume, false);
  assert.equal(state.seq, 12);
  assert.ok(state.incidents.has('i1'));
  assert.equal(state.units, before.units);
  assert.equal(before.incidents.size, 0, 'the state before is untouched');
  assert.equal(state.log.length, 1);
});

test('removal takes away; rules are replaced', () => {
  const { state } = reduce(begun(), delta(10, 11, {
    remove: { units: ['E01'] }, upsert: { rules: { posture: 'emergency' } },
  }), 2000);
  assert.equal(state.units.size, 0);
  assert.equal(state.rules.posture, 'emergency');
});

test('a position without a journal step (same seq) is applied', () => {
  const { state } = reduce(begun(), delta(10, 10, { upsert: { units: [unit('E01', -122.3)] } }), 2000);
  assert.equal(state.units.get('E01')?.lon, -122.3);
});

test('a gap is never applied: it asks to resume', () => {
  const before = begun();
  const { state, resume } = reduce(before, delta(11, 13, { remove: { units: ['E01'] } }), 2000);
  assert.equal(resume, true);
  assert.equal(state, before);
});

test('what overlaps is not applied twice: told before is dropped, half new asks to resume', () => {
  const before = begun();
  const told = reduce(before, delta(5, 9, { remove: { units: ['E01'] } }), 2000);
  assert.equal(told.resume, false);
  assert.equal(told.state.units.size, 1);
  assert.equal(reduce(before, delta(8, 12), 2000).resume, true);
});

test('a delta before any snapshot asks for one', () => {
  assert.equal(reduce(empty('x'), delta(0, 1), 0).resume, true);
});

test('one heartbeat ahead is a delta on its way, two are a gap', () => {
  const first = reduce(begun(), beat(11), 2000);
  assert.equal(first.resume, false);
  assert.equal(reduce(first.state, beat(11), 4000).resume, true);
  const caughtUp = reduce(first.state, delta(10, 11), 3000).state;
  assert.equal(reduce(caughtUp, beat(12), 4000).resume, false);
});

test('the log is bounded', () => {
  let state = begun();
  for (let seq = 10; seq < 10 + LOG_KEPT + 50; seq += 1) {
    state = reduce(state, delta(seq, seq + 1, { log: [{ seq: seq + 1, type: 'x' }] }), 0).state;
  }
  assert.equal(state.log.length, LOG_KEPT);
  assert.equal(state.log.at(-1)?.seq, state.seq);
});

test('the clock runs at the drill\'s speed and stands when paused', () => {
  const state = begun();
  assert.equal(jurisdictionNow(state, 2000) - Date.parse(NOW), 60_000);
  const cut = jurisdictionNow(state, 1000 + UNHEARD_MS);
  assert.equal(jurisdictionNow(state, 999_000), cut, 'it stands when nothing is heard');
  const paused = { ...state, clock: { ...state.clock, paused: true } };
  assert.equal(jurisdictionNow(paused, 9000), Date.parse(NOW));
  assert.equal(jurisdictionNow({ ...state, clock: null }, 2000) - Date.parse(NOW), 1000);
});

test('what the console cannot show is kept until it says otherwise', () => {
  const told = reduce(begun(), { ...beat(10), unshown: 2 }, 2000).state;
  assert.equal(told.unshown, 2);
  assert.equal(reduce(told, delta(10, 11), 3000).state.unshown, 2);
  assert.equal(reduce(told, { ...snapshot(20), unshown: 1 }, 3000).state.unshown, 1);
  assert.equal(reduce(told, { ...beat(10), unshown: 0 }, 3000).state.unshown, 0);
});
