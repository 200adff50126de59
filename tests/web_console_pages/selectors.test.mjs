// What the queue shows and in which order, and whom a person may choose.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  arrival, attention, choosable, counts, coverage, decision, filtered, isEscalated, keptFor, keptFrom,
  kinds, lateness, mayThreatenLife, mergeDoubts, missedCrew, nextDecision, nextFree,
  parsePoint, pinsNotKept, rows, undoing,
} from '../../web_console/static/console/selectors.js';
import { uuid7 } from '../../web_console/static/lib/ids.js';
import { empty } from '../../web_console/static/live.js';

const incident = (id, priority, openedAt, rest = {}) => ({
  id, number: id, priority, opened_at: openedAt, updated_at: openedAt, state: 'open',
  category: 'accident.fire', lon: -122.4, lat: 37.77, ...rest,
});
const engine = (id, lon, rest = {}) => ({
  id, kind: 'engine', state: 'available', lon, lat: 37.77, skills: [], ...rest,
});
function situation({ incidents = [], units = [], proposals = [], assignments = [] }) {
  const state = empty('x');
  for (const [kind, all] of Object.entries({ incidents, units, proposals, assignments })) {
    for (const one of all) state[kind].set(one.id, one);
  }
  return state;
}

test('the queue is by priority, then by longest wait; ended ones come last', () => {
  const state = situation({ incidents: [
    incident('late', 2, '2017-01-01T08:05:00Z'),
    incident('done', 1, '2017-01-01T07:00:00Z', { state: 'closed', closed_at: '2017-01-01T07:30:00Z' }),
    incident('early', 2, '2017-01-01T08:00:00Z'),
    incident('worst', 1, '2017-01-01T08:06:00Z'),
  ] });
  assert.deepEqual(rows(state).map((r) => r.id), ['worst', 'early', 'late', 'done']);
  assert.deepEqual(counts(rows(state)), { all: 4, waiting: 3, active: 0, closed: 1, decide: 3 });
});

test('a moving unit does not make the queue anew', () => {
  const state = situation({ incidents: [incident('a', 1, '2017-01-01T08:00:00Z')] });
  assert.equal(rows(state), rows({ ...state, units: new Map([['E1', engine('E1', 0)]]) }));
});

const AT = '2017-01-01T08:00:00Z';

test('what is open and served by nobody is to be decided, with the reason', () => {
  const chosen = { id: 'p', choices: [{ chosen: { unit: 'E1' } }] };
  const short = { id: 's', automatic: true, choices: [{}], shortage: { engines: 1 } };
  const state = situation({ proposals: [chosen, short], assignments: [
    { id: 'goes', unit: 'E1', state: 'en_route' }, { id: 'left', unit: 'E2', state: 'cancelled' }] });
  state.tasks.set('t', { id: 't', state: 'assigned' });
  state.tasks.set('late', { id: 'late', state: 'overdue' });
  const why = (rest) => decision(state, incident('a', 1, AT, rest));
  assert.equal(why({ triage: true, priority: 2 }), 'triage');
  assert.equal(why({ triage: true, triaged_by: 'wang' }), 'triage');
  assert.equal(why({ triage: true, state: 'closed' }), '');
  assert.equal(why({ proposal: 'p' }), 'confirm');
  assert.equal(why({ proposal: 's' }), 'short');
  assert.equal(why({ lon: null }), 'place');
  assert.equal(why({}), 'nobody');
  assert.equal(why({ assignments: ['left'] }), 'nobody');
  assert.equal(why({ assignments: ['goes'] }), '');
  assert.equal(why({ state: 'resolved' }), '');
  assert.equal(why({ tasks: ['t'] }), '');
  assert.equal(why({ tasks: ['late'] }), 'nobody');
  assert.equal(why({ tasks: ['t'], requirements: [{ key: 'engines', count: 1 }] }), 'nobody');
});

test('who waits comes before whose crew is there or leaves, whatever the priority', () => {
  const state = situation({
    incidents: [
      incident('hospital', 1, AT, { state: 'active', assignments: ['h'] }),
      incident('there', 2, AT, { state: 'active', assignments: ['s'] }),
      incident('coming', 3, AT, { state: 'assigned', assignments: ['g'] }),
      incident('waits', 4, AT),
    ],
    assignments: [{ id: 'h', unit: 'A', state: 'at_hospital' },
      { id: 's', unit: 'B', state: 'on_scene' }, { id: 'g', unit: 'C', state: 'en_route' }],
  });
  const all = rows(state);
  assert.deepEqual(all.map((r) => r.id), ['waits', 'coming', 'there', 'hospital']);
  assert.equal(nextDecision(all, '').id, 'waits');
});

test('what may threaten a life comes before all else until somebody triages it or sends a unit', () => {
  const unsure = { triage: true };
  const state = situation({ incidents: [
    incident('waits', 1, '2017-01-01T07:00:00Z'),
    incident('later', 1, '2017-01-01T08:05:00Z', unsure),
    incident('sooner', 1, AT, unsure),
    incident('over', 1, AT, { ...unsure, state: 'closed' }),
  ] });
  assert.deepEqual(rows(state).map((r) => [r.id, r.decision]), [
    ['sooner', 'maybe'], ['later', 'maybe'], ['waits', 'nobody'], ['over', '']]);
  for (const rest of [{ triage: false }, { life_threat: true }, { triaged_by: 'wang' },
    { priority: 2 }, { state: 'assigned' }]) {
    assert.equal(mayThreatenLife(incident('a', 1, AT, { ...unsure, ...rest })), false);
  }
});

test('the next decision is after the selected one, then from the top', () => {
  const state = situation({ incidents: [incident('a', 1, AT), incident('b', 2, AT)] });
  const all = rows(state);
  assert.equal(nextDecision(all, 'a').id, 'b');
  assert.equal(nextDecision(all, 'b').id, 'a');
  assert.equal(nextDecision([], 'a'), undefined);
});

test('a crew that says nothing, or should be there, is late', () => {
  const began = Date.parse(AT);
  const sent = { id: 'x', unit: 'E1', state: 'ordered', turnout_s: 60, drive_s: 120,
    times: { ordered: AT } };
  assert.equal(lateness(sent, began + 60_000), null);
  assert.deepEqual(lateness(sent, began + 90_000), { why: 'unanswered', late_s: 90 });
  const goes = { ...sent, state: 'en_route', times: { ordered: AT, en_route: AT } };
  assert.equal(lateness(goes, began + 120_000), null);
  assert.deepEqual(lateness(goes, began + 150_000), { why: 'overdue', late_s: 30 });
  const there = { ...goes, state: 'on_scene', times: { ...goes.times, on_scene: AT } };
  assert.equal(lateness(there, began + 900_000), null);
});

test('search finds number, place, category and unit', () => {
  const state = situation({
    incidents: [incident('17-1', 1, '2017-01-01T08:00:00Z', {
      place: '100 block of Folsom St', assignments: ['x'] })],
    assignments: [{ id: 'x', unit: 'E07', state: 'en_route' }],
  });
  const found = (words) => filtered(rows(state), 'all', words, () => '火灾').length;
  for (const words of ['17-1', 'folsom', '火', 'e07']) assert.equal(found(words), 1, words);
  assert.equal(found('nowhere'), 0);
});

test('units to choose: free before busy, computed times before distances; off duty not at all', () => {
  const state = situation({
    proposals: [{ id: 'p', choices: [{ chosen: { unit: 'far', turnout_s: 60, drive_s: 100 } }] }],
    units: [engine('near', -122.401), engine('far', -122.45), engine('busy', -122.4, { state: 'on_scene' }),
      engine('off', -122.4, { state: 'out_of_service' }), engine('held', -122.4, { held_by: 'x' })],
  });
  const all = choosable(state, incident('a', 1, '2017-01-01T08:00:00Z', { proposal: 'p' }));
  assert.deepEqual(all.map((c) => c.unit.id), ['far', 'near', 'busy', 'held']);
  assert.equal(all[0].seconds, 160);
});

test('free of kind: held and busy are not free, off duty is not counted', () => {
  const state = situation({ units: [engine('a', 0), engine('b', 0, { held_by: 'x' }),
    engine('c', 0, { state: 'out_of_service' }), engine('d', 0, { state: 'returning' })] });
  assert.deepEqual(kinds(state), [{ kind: 'engine', free: 2, total: 3 }]);
});

test('a unit that came and cleared is not missing; one called back is', () => {
  const need = { key: 'engines', skills: [], count: 3, within_s: 300, playbook: 'p' };
  const one = incident('a', 1, '2017-01-01T08:00:00Z', {
    proposal: 'p', assignments: ['came', 'back', 'other'] });
  const sent = (id, state, requirement = 'engines') => ({ id, unit: id, state, requirement });
  const state = situation({
    incidents: [one],
    assignments: [sent('came', 'cleared'), sent('back', 'cancelled'), sent('other', 'on_scene', 'chief')],
    proposals: [{ id: 'p', choices: [{ requirement: 'engines', slot: 0, chosen: { unit: 'E07' } }] }],
  });
  const found = coverage(state, one, need);
  assert.deepEqual(found.had.map((a) => a.id), ['came']);
  assert.equal(found.proposed.length, 1);
  assert.equal(found.missing, 1);
  assert.equal(coverage(state, { ...one, assignments: ['came'] }, { ...need, count: 1 }).missing, 0);
});

test('who was there before an incident was reopened fills nothing any more', () => {
  const one = incident('a', 1, '2026-07-01T03:00:00Z', { assignments: ['came', 'goes'], former: 1 });
  const state = situation({ incidents: [one], assignments: [
    { id: 'came', unit: 'E1', state: 'cleared', requirement: 'engines' },
    { id: 'goes', unit: 'E2', state: 'en_route', requirement: 'engines' },
  ] });
  const found = coverage(state, one, { key: 'engines', count: 2 });
  assert.deepEqual([found.had.map((a) => a.id), found.missing], [['goes'], 1]);
});

test('the end of a merged incident is taken back by undoing the merge', () => {
  const closed = incident('a', 1, '2026-07-01T03:00:00Z', { state: 'cancelled' });
  assert.equal(undoing(closed), 'reopen_incident');
  assert.equal(undoing({ ...closed, merged_into: 'b' }), 'unmerge_incident');
});

test('an incident that was reopened is a decision again and leaves the closed ones', () => {
  const one = incident('a', 1, '2026-07-01T03:00:00Z', { state: 'closed', closed_at: '2026-07-01T03:09:00Z' });
  const closed = rows(situation({ incidents: [one] }));
  assert.deepEqual(filtered(closed, 'closed', '', () => '').map((row) => row.id), ['a']);
  const again = rows(situation({ incidents: [{ ...one, state: 'open', closed_at: null, former: 0 }] }));
  assert.deepEqual(filtered(again, 'closed', '', () => ''), []);
  assert.equal(again[0].decision, 'nobody');
});

test('arrival counts turnout only until the unit drives', () => {
  const base = { state: 'ordered', turnout_s: 60, drive_s: 120, times: { ordered: '2017-01-01T08:00:00Z' } };
  assert.equal(arrival(base), Date.parse('2017-01-01T08:03:00Z'));
  const driving = { ...base, state: 'en_route', times: { ...base.times, en_route: '2017-01-01T08:00:30Z' } };
  assert.equal(arrival(driving), Date.parse('2017-01-01T08:02:30Z'));
  assert.equal(arrival({ ...base, state: 'cleared' }), null);
});

test('ids are UUIDv7: the time first, so that they sort', () => {
  const early = uuid7(1_483_228_800_000);
  assert.match(early, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(parseInt(early.replaceAll('-', '').slice(0, 12), 16), 1_483_228_800_000);
  assert.ok(early < uuid7(1_483_228_800_001));
});

test('a way that a closure made longer counts from where it was then; one cut off has no arrival', () => {
  const sent = { id: 'a', state: 'en_route', turnout_s: 60, drive_s: 200,
    times: { ordered: '2017-01-01T08:00:00Z', en_route: '2017-01-01T08:01:00Z' } };
  assert.equal(arrival(sent), Date.parse('2017-01-01T08:04:20Z'));
  const turned = { ...sent, rerouted_at: '2017-01-01T08:02:00Z' };
  assert.equal(arrival(turned), Date.parse('2017-01-01T08:05:20Z'));
  const before = { ...sent, rerouted_at: '2017-01-01T08:00:30Z' };
  assert.equal(arrival(before), Date.parse('2017-01-01T08:04:20Z'));
  assert.equal(arrival({ ...turned, cut_off: true }), null);
});

test('a pin that a proposal does not keep is said with its rule', () => {
  const choice = { chosen: { unit: 'E1' }, excluded: [
    { rule: 'lacks_skill', units: ['T1'], count: 1 }, { rule: 'pin_elsewhere', units: ['E2'], count: 1 }] };
  const pinned = incident('a', 2, '2017-01-01T08:00:00Z', { pins: ['E1', 'E2', 'E3'] });
  assert.deepEqual(pinsNotKept(pinned, { choices: [choice] }), [{ unit: 'E2', rule: 'pin_elsewhere' }]);
});

test('a place is typed as latitude and longitude, or it is none', () => {
  assert.deepEqual(parsePoint('31.4321, 119.4832'), [119.4832, 31.4321]);
  assert.deepEqual(parsePoint(' 31.4321，119.4832 '), [119.4832, 31.4321]);
  assert.deepEqual(parsePoint('-33.9 18.4'), [18.4, -33.9]);
  for (const bad of ['', '31.4', 'north', '91, 10', '10, 181', '1,2,3']) {
    assert.equal(parsePoint(bad), null, bad);
  }
});

test('a place far from every street is none', () => {
  assert.equal(decision(situation({}), incident('a', 1, AT, { far: true })), 'place');
});

test('what is far apart or of another kind is doubted before it is merged', () => {
  const fire = incident('a', 1, '2017-01-01T08:00:00Z', { category: 'accident.fire.structure' });
  const doubts = (rest) => mergeDoubts(fire, { ...fire, id: 'b', ...rest });
  assert.deepEqual(doubts({ category: 'accident.fire.smoke', lat: 37.774 }), []);
  assert.deepEqual(doubts({ lat: 37.775 }), ['far']);
  assert.deepEqual(doubts({ category: 'health.medical' }), ['kind']);
  assert.deepEqual(doubts({ category: 'accident.traffic', lon: -122.3 }), ['far', 'kind']);
  assert.deepEqual(doubts({ lon: null, lat: null }), []);
});

test('where units are short the next that may be free is counted down, to a minute', () => {
  const short = { id: 'p', made_at: AT, choices: [], next_free_s: 720 };
  assert.equal(nextFree(short, Date.parse(AT) + 120_000), 600);
  assert.equal(nextFree(short, Date.parse(AT) + 9_000_000), 60);
  assert.equal(nextFree({ ...short, next_free_s: null }, 0), null);
  assert.equal(nextFree(undefined, 0), null);
});

test('a unit in two roles is missing in neither', () => {
  const need = (key) => ({ key, skills: [], count: 1, within_s: 300, playbook: 'p' });
  const one = incident('a', 1, AT, { assignments: ['x'] });
  const state = situation({
    incidents: [one],
    assignments: [{ id: 'x', unit: 'A1', state: 'en_route', requirement: 'ambulance', also: 'nearest' }],
  });
  assert.deepEqual(['ambulance', 'nearest'].map((key) => coverage(state, one, need(key)).missing), [0, 0]);
});

test('tabs and title tell what waits, what is escalated, proposed moves and a part that fails', () => {
  const told = [{ at: AT, to_role: 'dispatcher' }];
  const state = situation({ incidents: [
    incident('a', 1, AT, { escalations: told }), incident('b', 2, AT),
    incident('over', 2, AT, { state: 'closed', escalations: told }),
  ] });
  state.move_ups.set('E1', { id: 'E1' });
  assert.deepEqual(attention(state, rows(state)),
    { decide: 2, escalated: 1, moves: 1, failing: '' });
  const simpler = { ...state, rules: { simpler_planning: { used: 'nearest' } } };
  assert.equal(attention(simpler, rows(simpler)).failing, 'planning');
  assert.equal(attention({ ...simpler, pipeline: { state: 'delayed' } }, []).failing, 'pipeline');
});

test('an escalation lasts as long as what it tells of', () => {
  /** @param {string} state @param {string} kind */
  const crew = (state, kind, rest = {}) => {
    const one = incident('a', 1, AT, {
      state: 'assigned', assignments: ['a-1'],
      escalations: [{ at: AT, kind, unit: 'E1', deadline: `a-1-${kind}` }], ...rest,
    });
    return isEscalated(situation({
      incidents: [one], assignments: [{ id: 'a-1', unit: 'E1', incident: 'a', state }],
    }), one);
  };
  assert.ok(crew('ordered', 'unanswered'));
  for (const state of ['accepted', 'en_route', 'on_scene', 'cancelled']) {
    assert.ok(!crew(state, 'unanswered'), state);
  }
  assert.ok(crew('accepted', 'overdue'));
  assert.ok(crew('en_route', 'overdue'));
  for (const state of ['on_scene', 'transporting', 'cleared', 'cancelled']) {
    assert.ok(!crew(state, 'overdue'), state);
  }
  assert.ok(crew('cancelled', 'dropped_out', { state: 'open' }));
  assert.ok(!crew('en_route', 'dropped_out', { state: 'open' }), 'another goes');
  assert.ok(!crew('cancelled', 'dropped_out', { state: 'resolved' }));
  assert.ok(!crew('ordered', 'unanswered', { state: 'closed' }));
  assert.ok(!crew('ordered', 'unanswered', { reopened_at: '2017-01-01T09:00:00Z' }), 'of before');
});

test('that nobody judged holds until somebody does', () => {
  const told = { at: AT, deadline: 'a-d-late', notice: {}, states: ['open'], until: 'triaged' };
  for (const [by, holds] of [['', true], ['wang', false]]) {
    const one = incident('a', 1, AT, { triaged_by: by, escalations: [told] });
    assert.equal(isEscalated(situation({ incidents: [one] }), one), holds);
  }
});

test('a deadline of a playbook holds in the states that it was set for', () => {
  const told = { at: AT, deadline: 'a-d-late', notice: {}, states: ['open', 'assigned'] };
  for (const [state, holds] of [['open', true], ['assigned', true], ['active', false]]) {
    const one = incident('a', 1, AT, { state, escalations: [told] });
    assert.equal(isEscalated(situation({ incidents: [one] }), one), holds, `${state}`);
  }
});

test('a crew that does not answer or arrive is to be decided until it does, or another is sent', () => {
  const told = '2017-01-01T08:02:00Z';
  /** @param {string} state @param {string} kind @param {object[]} others */
  const why = (state, kind, others = [], rest = {}) => {
    const one = incident('a', 1, AT, {
      state: 'assigned', assignments: ['a-1', ...others.map((other) => other.id)],
      escalations: [{ at: told, kind, unit: 'E1', deadline: `a-1-${kind}` }], ...rest,
    });
    const sent = { id: 'a-1', unit: 'E1', state, requirement: 'engines', times: { ordered: AT } };
    return decision(situation({ incidents: [one], assignments: [sent, ...others] }), one);
  };
  assert.equal(why('ordered', 'unanswered'), 'unanswered');
  assert.equal(why('en_route', 'overdue'), 'overdue');
  for (const state of ['accepted', 'en_route', 'on_scene']) assert.equal(why(state, 'unanswered'), '');
  assert.equal(why('on_scene', 'overdue'), '');
  assert.equal(why('ordered', 'unanswered', [], { state: 'closed' }), '');
  const another = { id: 'a-2', unit: 'E2', state: 'ordered', requirement: 'engines',
    times: { ordered: '2017-01-01T08:03:00Z' } };
  assert.equal(why('ordered', 'unanswered', [another]), '', 'another was sent since');
  const before = { ...another, times: { ordered: AT } };
  assert.equal(why('ordered', 'unanswered', [before]), 'unanswered', 'it went before');
  const medic = { ...another, requirement: 'medic' };
  assert.equal(why('ordered', 'unanswered', [medic]), 'unanswered', 'it goes for something else');
  assert.equal(why('ordered', 'unanswered', [{ ...medic, override: true }]), '', 'a person sent it');
  assert.equal(why('ordered', 'unanswered', [{ ...another, state: 'cancelled' }]), 'unanswered');
});

test('a crew that does not answer is ranked by urgency among those that nobody serves', () => {
  const late = incident('late', 1, AT, { state: 'assigned', assignments: ['x'],
    escalations: [{ at: AT, kind: 'unanswered', unit: 'E1', deadline: 'x-unanswered' }] });
  const state = situation({
    incidents: [late, incident('graffiti', 4, '2017-01-01T07:00:00Z'),
      incident('worst', 1, '2017-01-01T07:00:00Z'),
      incident('coming', 1, AT, { state: 'assigned', assignments: ['y'] })],
    assignments: [{ id: 'x', unit: 'E1', state: 'ordered', times: { ordered: AT } },
      { id: 'y', unit: 'E2', state: 'en_route' }],
  });
  const all = rows(state);
  assert.deepEqual(all.map((r) => r.id), ['worst', 'late', 'graffiti', 'coming']);
  assert.equal(counts(all).decide, 3);
  assert.equal(missedCrew(state, late)?.assignment.id, 'x');
});

test('it is told for whom a unit is kept, and why that one comes first', () => {
  const mine = incident('mine', 2, '2017-01-01T08:00:00Z', { triage: true });
  /** @param {object} other @param {object} rest */
  const kept = (other, rest = {}) => {
    const found = keptFor(situation({
      incidents: [mine, other], units: [engine('E1', -122.4, rest)],
      proposals: [{ id: 'p', incident: 'other', choices: [{ chosen: { unit: 'E1' } }, {}] }],
    }), 'E1', mine);
    return [found?.incident.id, found?.why];
  };
  const later = '2017-01-01T08:05:00Z';
  assert.deepEqual(kept(incident('other', 1, later)), ['other', 'urgent']);
  assert.deepEqual(kept(incident('other', 2, later)), ['other', 'sure']);
  assert.deepEqual(kept(incident('other', 2, '2017-01-01T07:00:00Z', { triage: true })), ['other', 'longer']);
  assert.deepEqual(kept(incident('other', 3, later)), ['other', '']);
  const sent = situation({ incidents: [mine, incident('other', 1, later)],
    units: [engine('E1', -122.4, { state: 'assigned', incident: 'other' }), engine('E2', -122.4)] });
  assert.equal(keptFor(sent, 'E1', mine)?.why, 'sent');
  assert.equal(keptFor(sent, 'E2', mine), null);
  const pinned = situation({ incidents: [mine, incident('other', 1, later, { pins: ['E2'] })] });
  assert.equal(keptFor(pinned, 'E2', mine)?.why, 'urgent');
  const choice = { runners_up: [{ unit: 'E2' }], excluded: [
    { rule: 'busy', units: ['E3'] }, { rule: 'elsewhere', units: ['E1'] }] };
  assert.equal(keptFrom(sent, mine, choice)?.unit, 'E1');
  assert.equal(keptFrom(sent, mine, { ...choice, chosen: { unit: 'E4' } }), null);
});
