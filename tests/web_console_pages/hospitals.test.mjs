// Whether any hospital takes patients, and which order would leave none that does.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { noneTakes, wouldLeaveNone } from '../../web_console/static/console/hospital_load.js';

const NOW = Date.parse('2026-01-01T08:00:00Z');
const LATELY = '2026-01-01T07:30:00Z';

/** @param {string} id */
const hospital = (id, more = {}) => ({ id, listed_per_hour: 2, ...more });
const closed = { closed: true };
const full = { bound: ['a1'], brought: [LATELY] };
/** @param {Record<string, unknown>[]} all */
const by = (...all) => new Map(all.map((one) => [one.id, one]));

test('none takes patients where all are closed, or those that are open are full', () => {
  assert.equal(noneTakes([], NOW), '');
  assert.equal(noneTakes([hospital('a'), hospital('b', closed)], NOW), '');
  assert.equal(noneTakes([hospital('a', closed), hospital('b', closed)], NOW), 'closed');
  assert.equal(noneTakes([hospital('a', full), hospital('b', closed)], NOW), 'full');
  assert.equal(noneTakes([hospital('a', { ...full, listed_per_hour: null })], NOW), '');
  assert.equal(noneTakes([hospital('a', { brought: ['2026-01-01T06:00:00Z', LATELY] })], NOW), '');
});

test('an order is asked about only where it takes away the last that takes patients', () => {
  const two = by(hospital('a'), hospital('b'));
  const one = by(hospital('a'), hospital('b', closed));
  const shut = { hospital: 'a', closed: true, per_hour: null };
  assert.equal(wouldLeaveNone(two, shut, NOW), '');
  assert.equal(wouldLeaveNone(one, shut, NOW), 'closed');
  assert.equal(wouldLeaveNone(by(hospital('a'), hospital('b', full)), shut, NOW), 'full');
  assert.equal(wouldLeaveNone(one, { hospital: 'a', closed: false, per_hour: 0 }, NOW), 'full');
  assert.equal(wouldLeaveNone(one, { hospital: 'a', closed: false, per_hour: 3 }, NOW), '');
  const none = by(hospital('a', closed), hospital('b', closed));
  assert.equal(wouldLeaveNone(none, { hospital: 'a', closed: true, per_hour: 1 }, NOW), '');
  assert.equal(wouldLeaveNone(one, { hospital: 'gone', closed: true }, NOW), '');
});
