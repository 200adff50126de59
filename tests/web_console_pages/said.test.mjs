// When a word that came late, or by a wrong clock, says so.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { apart } from '../../web_console/static/lib/said.js';

const AT = '2026-07-01T02:40:00Z';

test('a word that comes within a minute says nothing', () => {
  for (const said of [AT, '2026-07-01T02:39:00Z', '2026-07-01T02:41:00Z', '2026-07-01T10:40:10+08:00']) {
    assert.equal(apart(said, AT), '', said);
  }
});

test('a late one says when, and so does a clock that is ahead', () => {
  assert.equal(apart('2026-07-01T02:32:00Z', AT), 'time');
  assert.equal(apart('2026-07-01T02:42:00Z', AT), 'time');
});

test('of another day it says which', () => {
  assert.equal(apart('2026-06-30T02:32:00Z', AT), 'day');
  assert.equal(apart('0001-01-01T00:00:00Z', AT), 'day');
});

test('what is not known, or no time, says nothing', () => {
  for (const said of [undefined, null, '', 'yesterday']) assert.equal(apart(said, AT), '');
  assert.equal(apart(AT, undefined), '');
});
