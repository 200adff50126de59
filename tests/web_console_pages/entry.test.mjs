// What waits on a phone: words before photos, and nothing that holds another up.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  bodyOf, following, isKept, isReport, isWaiting, lineOf, nextPhoto, nextWords, ofOld, pathOf, withPhoto,
} from '../../web_console/static/field/entry.js';

const NOW = Date.parse('2026-07-01T02:40:00Z');
const DAY_MS = 86400000;
const photo = (id, state = 'waiting') => ({ id, state });
const entry = (id, rest = {}) => ({ id, body: { text: id }, photos: [], state: 'saved', at: NOW, ...rest });

test('words name the photos that follow them, and not one that was left out', () => {
  const body = bodyOf(entry('a', { photos: [photo('p'), photo('q', 'sent'), photo('r', 'left_out')] }));
  assert.deepEqual(body, { text: 'a', id: 'a', photos: ['p', 'q'] });
});

test('a crew says when it said so, and names no photos', () => {
  assert.deepEqual(bodyOf(entry('a', { unit: 'E1', body: { state: 'en_route' } })), {
    state: 'en_route', id: 'a', observed_at: '2026-07-01T02:40:00.000Z',
  });
});

test('what says where a report is names no photos, and keeps its order behind the report', () => {
  const report = entry('a', { state: 'saved' });
  const word = entry('b', { report: 'a', body: { lon: 1, lat: 2 }, at: NOW + 1 });
  assert.deepEqual(bodyOf(word), { lon: 1, lat: 2, id: 'b' });
  assert.equal(isReport(word), false);
  assert.equal(nextWords([word, report], new Set())?.id, 'a');
  assert.equal(nextWords([word, report], new Set([lineOf(report)])), undefined);
});

test('no photo goes before its words are received', () => {
  const waiting = entry('a', { photos: [photo('p')] });
  for (const state of ['saved', 'sending', 'refused']) {
    assert.equal(nextPhoto([{ ...waiting, state }], new Set(), new Map()), undefined, state);
  }
  const next = nextPhoto([{ ...waiting, state: 'received' }], new Set(), new Map());
  assert.equal(next?.photo.id, 'p');
});

test('the oldest words go first; what the server can\'t take now holds no other report up', () => {
  const all = [entry('late', { at: NOW + 2 }), entry('early', { at: NOW + 1 })];
  assert.equal(nextWords(all, new Set())?.id, 'early');
  assert.equal(nextWords(all, new Set(['early']))?.id, 'late');
  assert.equal(nextWords(all, new Set(['early', 'late'])), undefined);
});

test('what is said about one unit or one task keeps its order', () => {
  const said = [entry('there', { unit: 'E1', at: NOW + 2 }), entry('on the way', { unit: 'E1' }),
    entry('done', { task: 't', at: NOW + 3 })];
  const stuck = new Set([lineOf(said[1])]);
  assert.equal(nextWords(said, stuck)?.id, 'done');
});

test('the photo that was tried least goes first, so that one too large lets others pass', () => {
  const all = [entry('a', { state: 'received', photos: [photo('large'), photo('small'), photo('up', 'sent')] })];
  assert.equal(nextPhoto(all, new Set(), new Map())?.photo.id, 'large');
  assert.equal(nextPhoto(all, new Set(), new Map([['large', 1]]))?.photo.id, 'small');
  assert.equal(nextPhoto(all, new Set(['large', 'small']), new Map()), undefined);
});

test('a photo changes alone, and counts as following until it went or was left out', () => {
  const before = entry('a', { photos: [photo('p'), photo('q')] });
  const after = withPhoto(before, 'p', { state: 'left_out', message: 'no JPEG' });
  assert.deepEqual(after.photos, [{ id: 'p', state: 'left_out', message: 'no JPEG' }, photo('q')]);
  assert.deepEqual([following(before), following(after)], [2, 1]);
});

test('where an entry goes', () => {
  assert.equal(pathOf(entry('a')), '/api/reports');
  assert.equal(pathOf(entry('a', { task: 't/1' })), '/api/tasks/t%2F1');
  assert.equal(pathOf(entry('a', { unit: 'E 1' })), '/api/units/E%201/status');
  assert.equal(pathOf(entry('a', { report: 'r' })), '/api/reports/r/place');
});

test('what is done is kept for a week, what waits for as long as it waits', () => {
  const old = { state: 'received', at: NOW - 8 * DAY_MS };
  assert.equal(isKept(entry('a', old), NOW), false);
  assert.equal(isKept(entry('a', { ...old, at: NOW - 6 * DAY_MS }), NOW), true);
  assert.equal(isKept(entry('a', { ...old, photos: [photo('p')] }), NOW), true);
  assert.equal(isKept(entry('a', { ...old, state: 'refused' }), NOW), true);
  assert.equal(isKept(entry('a', { ...old, state: 'refused', report: 'r' }), NOW), false);
  assert.equal(isKept(entry('a', { ...old, state: 'saved', report: 'r' }), NOW), true);
});

test('a word waits until it is answered, or for a while where no answer comes', () => {
  assert.equal(isWaiting(entry('a'), NOW + DAY_MS), true);
  assert.equal(isWaiting(entry('a', { state: 'received' }), NOW + 14000), true);
  assert.equal(isWaiting(entry('a', { state: 'received' }), NOW + 15000), false);
  const held = { state: 'received', receivedAt: new Date(NOW + DAY_MS).toISOString() };
  assert.equal(isWaiting(entry('a', held), NOW + DAY_MS + 14000), true, 'a day without a network');
  assert.equal(isWaiting(entry('a', held), NOW + DAY_MS + 15000), false);
  assert.equal(isWaiting(entry('a', { state: 'refused' }), NOW), false);
});

test('what an older page kept goes on: photos that were up stay named, the others follow', () => {
  const [first, second] = [new Blob(['1']), new Blob(['2'])];
  const old = { id: 'a', body: { text: 'a' }, photos: [first, second], photoIds: ['up'], state: 'sending', at: NOW };
  const { entry: made, pictures } = ofOld(old, () => 'new');
  assert.deepEqual(made, entry('a', { photos: [photo('up', 'sent'), photo('new')] }));
  assert.deepEqual(pictures, [{ id: 'new', blob: second }]);
});
