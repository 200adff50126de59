// The proposal that explains itself: for each place who goes, by which road, how long, who was
// second and what that would cost, who was ruled out by which rule; confirm, or change it.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { clockTime, difference, distance, minutes, span } from '../lib/format.js';
import { nameOf, t, tOr } from '../lib/i18n.js';
import { useStore } from '../lib/store.js';
import { ended, isPlaced, jurisdictionNow } from '../live.js';
import { noneTakes } from './hospital_load.js';
import { order, pending, tell, waits } from './orders.js';
import { OrderButton, kindName, skillName } from './parts.js';
import { keptFor, keptFrom, nextFree, pinsNotKept } from './selectors.js';
import { ask, callSign, live, theCity, tick } from './state.js';

const NAMED_AT_ONCE = 8;
/** Of a unit that brings patients to hospital. */
const TRANSPORT = 'medical_transport';

/**
 * Send what the proposal says.
 * @param {import('../types.js').Incident} incident
 */
export function confirmProposal(incident) {
  const state = live.get();
  const proposal = state.proposals.get(incident.proposal ?? '');
  const units = proposal ? sent(proposal) : [];
  if (!proposal || !units.length || ended(incident)) {
    tell({ tone: 'info', text: t('confirm.nothing') }, 4000);
    return;
  }
  if (waits(pending.get(), `confirm-${incident.id}`)) return;
  order(state.jurisdiction, 'confirm_proposal', { incident: incident.id, proposal: proposal.id }, {
    key: `confirm-${incident.id}`,
    done: t('confirm.done', { units: units.map(callSign).join(', '), number: incident.number }),
    undo: () => ({
      label: t('undo.recall'),
      run: () => units.forEach((unit) => order(live.get().jurisdiction, 'recall_unit',
        { unit, reason: t('undo.reason') }, { key: `recall-${unit}` })),
    }),
  });
}

/**
 * Units that a proposal sends; one in two roles once.
 * @param {import('../types.js').Proposal} proposal
 */
const sent = (proposal) => [...new Set(
  proposal.choices.flatMap((c) => (c.chosen ? [c.chosen.unit] : [])))];

/**
 * @param {{incident: import('../types.js').Incident,
 *   state: import('../types.js').LiveState}} props
 */
export function ProposalCard({ incident, state }) {
  const proposal = state.proposals.get(incident.proposal ?? '');
  if (ended(incident)) return null;
  if (!proposal) {
    if (incident.state !== 'open') return null;
    const why = incident.far ? 'proposal.far' : !isPlaced(incident) ? 'proposal.no_place'
      : incident.requirements?.length ? 'proposal.none' : 'proposal.no_needs';
    return html`<section class="proposal none"><h3>${t('proposal.title')}</h3>
      <p>${t(why)}</p></section>`;
  }
  const short = Object.entries(proposal.shortage ?? {}).filter(([, n]) => n > 0);
  const chosen = sent(proposal);
  const noHospital = incident.requirements?.some((r) => r.skills.includes(TRANSPORT))
    ? noneTakes(state.hospitals.values(), jurisdictionNow(state, Date.now())) : '';
  const next = nextFree(proposal, jurisdictionNow(state, Date.now()));
  return html`<section class="proposal" aria-label=${t('proposal.title')}>
    <div class="proposal-head"><h3>${t('proposal.title')}</h3>
      <span class="faint">${t(proposal.automatic ? 'proposal.automatic' : 'proposal.by_hand')}</span>
    </div>
    ${!isPlaced(incident) && incident.near && html`<p class="notice warn">${t('proposal.near', {
      name: nameOf(incident.near.names) })}</p>`}
    ${noHospital && html`<p class="notice bad">${t(`proposal.no_hospital_${noHospital}`)}</p>`}
    <${Packages} incident=${incident} proposal=${proposal} />
    <${Pins} incident=${incident} proposal=${proposal} />
    ${proposal.choices.map((choice) => html`<${Choice} key=${`${choice.requirement}-${choice.slot}`}
      choice=${choice} incident=${incident} state=${state} />`)}
    ${proposal.held && html`<p class="notice warn">${t(`proposal.held_${proposal.held}`)}</p>`}
    ${(proposal.counted_priority ?? 0) > 0 && html`<p class="notice">${t('proposal.counted', {
      priority: t(`priority.${proposal.counted_priority}`),
    })}</p>`}
    ${short.length > 0 && html`<p class="notice bad">${short.flatMap(([key, n]) => [
      t('proposal.shortage', { n, what: needName(incident, key) }),
      ...proposal.choices.filter((c) => c.requirement === key && !c.chosen).slice(0, 1)
        .map((c) => whyNobody(c, incident, state)),
    ]).filter(Boolean).join(' · ')}${next !== null && ` · ${t('proposal.next_free', { time: span(next) })}`}</p>`}
    ${proposal.policy && html`<${Model} proposal=${proposal} />`}
    <div class="proposal-act">
      <${OrderButton} kind="primary" orderKey=${`confirm-${incident.id}`} hotkey="c"
        disabled=${!chosen.length} onClick=${() => confirmProposal(incident)}>
        ${chosen.length ? t('confirm.action', { n: chosen.length }) : t('confirm.nobody')}</${OrderButton}>
      <button type="button" class="button"
        onClick=${() => ask({ kind: 'choose', incident: incident.id })}>${t('action.override')}
        <kbd>o</kbd></button>
    </div>
  </section>`;
}

/**
 * Which of the incident's packages are whole: all of one go, or nobody.
 * @param {{incident: import('../types.js').Incident, proposal: import('../types.js').Proposal}} props
 */
function Packages({ incident, proposal }) {
  /** @type {Map<string, {keys: string[], missing: number}>} */
  const packages = new Map();
  for (const need of incident.requirements ?? []) {
    const places = proposal.choices.filter((c) => c.requirement === need.key);
    if (!need.package || !places.length) continue;
    const found = packages.get(need.package) ?? { keys: [], missing: 0 };
    found.keys.push(need.key);
    found.missing += places.filter((c) => !c.chosen).length;
    packages.set(need.package, found);
  }
  return html`${[...packages].map(([name, { keys, missing }]) => html`<p key=${name}
    class=${missing ? 'notice warn' : 'faint'}>${t(missing ? 'proposal.package_waits'
      : 'proposal.package_whole', { what: keys.map((key) => needName(incident, key)).join(' + ') })}</p>`)}`;
}

/**
 * Who is pinned and doesn't go all the same, and why.
 * @param {{incident: import('../types.js').Incident, proposal: import('../types.js').Proposal}} props
 */
function Pins({ incident, proposal }) {
  const notKept = pinsNotKept(incident, proposal);
  return html`${notKept.map(({ unit, rule }) => html`<p key=${unit} class="notice warn">${t(
    'proposal.pin_not_kept', { unit: callSign(unit), rule: tOr(`rule.${rule}`, rule) })}</p>`)}`;
}

/**
 * That a unit is kept for another incident, or was sent there; '' where neither is so.
 * @param {string} unit
 * @param {import('../types.js').Incident} incident
 * @param {import('../types.js').LiveState} state
 */
function kept(unit, incident, state) {
  const found = keptFor(state, unit, incident);
  return found ? t(found.why ? `proposal.kept_${found.why}` : 'proposal.kept',
    { number: found.incident.number }) : '';
}

/**
 * Which unit could have gone where nobody is proposed, and what has it; '' where there is none.
 * @param {import('../types.js').Choice} choice
 * @param {import('../types.js').Incident} incident
 * @param {import('../types.js').LiveState} state
 */
function whyNobody(choice, incident, state) {
  const found = keptFrom(state, incident, choice);
  return found ? `${callSign(found.unit)} ${kept(found.unit, incident, state)}` : '';
}

/**
 * The units of a rule: some at once, all when asked for.
 * @param {{rule: import('../types.js').Exclusion, incident: import('../types.js').Incident,
 *   state: import('../types.js').LiveState}} props
 */
function Named({ rule, incident, state }) {
  const [all, setAll] = useState(false);
  const shown = all ? rule.units : rule.units.slice(0, NAMED_AT_ONCE);
  const unnamed = rule.count - rule.units.length;
  if (!shown.length) return null;
  /** @param {string} unit */
  const name = (unit) => [callSign(unit),
    rule.rule === 'elsewhere' && kept(unit, incident, state)].filter(Boolean).join(' ');
  return html`<span class="faint">${shown.map(name).join(', ')}
    ${all && unnamed > 0 && ` ${t('proposal.and_more', { n: unnamed })}`}</span>
    ${!all && rule.count > shown.length && html` <button type="button" class="linkish"
      onClick=${() => setAll(true)}>${t('proposal.and_more', { n: rule.count - shown.length })}
    </button>`}`;
}

/**
 * @param {import('../types.js').Incident} incident
 * @param {string} key
 */
function needName(incident, key) {
  const need = incident.requirements?.find((r) => r.key === key);
  return need ? nameOf(need.names, need.skills.map(skillName).join(t('and'))) : key;
}

/**
 * @param {{choice: import('../types.js').Choice, incident: import('../types.js').Incident,
 *   state: import('../types.js').LiveState}} props
 */
function Choice({ choice, incident, state }) {
  useStore(tick, (n) => n);
  const [open, setOpen] = useState(false);
  const { chosen } = choice;
  const ruled = choice.excluded ?? [];
  const others = choice.runners_up ?? [];
  const jurisdiction = state.jurisdiction;
  const pinned = chosen && incident.pins?.includes(chosen.unit);
  const total = chosen ? chosen.turnout_s + chosen.drive_s : 0;
  const unit = chosen ? state.units.get(chosen.unit) : undefined;
  return html`<div class="choice">
    <div class="choice-need">${needName(incident, choice.requirement)}</div>
    ${chosen ? html`<div class="choice-who">
      <div class="choice-unit"><b>${callSign(chosen.unit)}</b><span>${unit ? kindName(unit.kind) : ''}</span></div>
      <div class="choice-time"><b>${minutes(total)}</b>
        <span>${t('proposal.there_at', { at: clockTime(
          jurisdictionNow(state, Date.now()) + total * 1000, theCity().timezone) })}</span></div>
    </div>
    <div class="legs" aria-hidden="true">
      <span class="leg turnout" style=${{ flexGrow: Math.max(0.08, chosen.turnout_s / (total || 1)) }}></span>
      <span class="leg drive" style=${{ flexGrow: Math.max(0.08, chosen.drive_s / (total || 1)) }}></span>
    </div>
    <div class="faint tab">${t('proposal.legs', {
      turnout: minutes(chosen.turnout_s), drive: minutes(chosen.drive_s),
      length: distance(chosen.length_m ?? 0),
    })}</div>
    <${OnFoot} chosen=${chosen} state=${state} />
    <${Turned} chosen=${chosen} state=${state} />
    ${chosen.aid && html`<span class="notice">${t('proposal.aid', {
      who: nameOf(chosen.aid), cost: minutes(chosen.aid_s ?? 0) })}</span>`}
    ${chosen.also && html`<span class="faint">${t('proposal.also', {
      what: needName(incident, chosen.also) })}</span>`}
    <${Road} streets=${choice.streets ?? []} />` : html`<p class="chip bad">${
      whyNobody(choice, incident, state) || t('proposal.nobody')}</p>`}
    ${others.length > 0 && html`<div class="second">
      <span class="faint">${t(chosen ? 'proposal.second' : 'proposal.nearest')}</span>
      <b>${callSign(others[0].unit)}</b> ${minutes(others[0].turnout_s + others[0].drive_s)}
      ${chosen && html`<${Difference} other=${others[0]} total=${total} incident=${incident}
        state=${state} />`}
    </div>`}
    <button type="button" class="linkish why" aria-expanded=${open} onClick=${() => setOpen(!open)}>
      ${t(open ? 'proposal.less' : 'proposal.why')}</button>
    ${open && html`<div class="why-box">
      ${others.length > 0 && html`<table><thead><tr><th>${t('proposal.runner')}</th>
        <th>${t('proposal.time')}</th><th>${t('proposal.slower')}</th><th>${t('proposal.plan_cost')}</th></tr></thead>
        <tbody>${others.map((c) => html`<tr key=${c.unit}><td>${callSign(c.unit)}${c.aid ? html`<span class="faint"> ${nameOf(c.aid)}</span>` : ''}</td>
          <td>${minutes(c.turnout_s + c.drive_s)}</td>
          <td>${chosen ? difference(c.turnout_s + c.drive_s - total) : '–'}</td>
          <td>${costs(c) ? `+${minutes(c.added_s ?? 0)}` : '–'}</td></tr>`)}</tbody></table>`}
      ${ruled.length > 0 && html`<ul class="ruled">${ruled.map((rule) => html`<li
        key=${`${rule.rule} ${nameOf(rule.names)}`}>
        <b>${rule.count}</b> ${rule.names ? t('proposal.reserved_for', { what: nameOf(rule.names) })
          : tOr(`rule.${rule.rule}`, rule.rule)}
        <${Named} rule=${rule} incident=${incident} state=${state} /></li>`)}</ul>`}
      ${chosen && html`<div class="proposal-act">
        ${!pinned && html`<${OrderButton} kind="small" orderKey=${`pin-${chosen.unit}`}
          title=${t('pin.text')} onClick=${() => order(jurisdiction, 'pin_unit',
            { incident: incident.id, unit: chosen.unit }, { key: `pin-${chosen.unit}` })}>
          ${t('pin.action', { unit: callSign(chosen.unit) })}</${OrderButton}>`}
        <${OrderButton} kind="small" orderKey=${`ban-${chosen.unit}`} title=${t('ban.text')}
          onClick=${() => ask({ kind: 'reason', title: t('ban.title', { unit: callSign(chosen.unit) }),
            action: t('ban.action', { unit: callSign(chosen.unit) }),
            run: (reason) => order(jurisdiction, 'ban_unit',
              { incident: incident.id, unit: chosen.unit, reason }, { key: `ban-${chosen.unit}` }) })}>
          ${t('ban.action', { unit: callSign(chosen.unit) })}</${OrderButton}>
      </div>`}
    </div>`}
  </div>`;
}

/**
 * How much of the way is on foot: into a closed area, and off every street.
 * @param {{chosen: import('../types.js').Candidate, state: import('../types.js').LiveState}} props
 */
function OnFoot({ chosen, state }) {
  const within = chosen.cordon_m ?? 0;
  const beside = (chosen.walked_m ?? 0) - within;
  const why = (chosen.cordon ?? []).map((id) => state.closures.get(id)?.reason
    || t('reopen.no_reason')).join(t('and'));
  return html`${within > 0 && html`<span class="notice warn">${t('proposal.cordon', {
    unit: callSign(chosen.unit), why, length: distance(within) })}</span>`}
    ${Math.round(beside) > 0 && html`<span class="notice warn">${t('proposal.walked', {
      length: distance(beside) })}</span>`}`;
}

/**
 * Whether the others would wait longer, to the second, if it went.
 * @param {import('../types.js').Candidate} other
 */
const costs = (other) => Math.round(other.added_s ?? 0) > 0;

/**
 * How much later somebody else would be there; where it would be sooner, why it isn't sent.
 * @param {{other: import('../types.js').Candidate, total: number,
 *   incident: import('../types.js').Incident, state: import('../types.js').LiveState}} props
 */
function Difference({ other, total, incident, state }) {
  const later = other.turnout_s + other.drive_s - total;
  if (Math.round(later) >= 0) return html`<span class="worse">${difference(later)}</span>`;
  return html`<span>${difference(later)}</span> <span class="faint">${costs(other)
    ? t('proposal.sooner_costs', { cost: minutes(other.added_s ?? 0) })
    : kept(other.unit, incident, state) || t('proposal.sooner_kept')}</span>`;
}

/**
 * What sending this unit means for others: whom it leaves, whom it relieves.
 * @param {{chosen: import('../types.js').Candidate, state: import('../types.js').LiveState}} props
 */
function Turned({ chosen, state }) {
  const from = chosen.diverted_from ? state.incidents.get(chosen.diverted_from) : undefined;
  const left = state.assignments.get(state.units.get(chosen.relieves ?? '')?.assignment ?? '');
  return html`<span class="turned">
    ${chosen.diverted_from && html`<span class="notice warn">${t('proposal.diverts', {
      unit: callSign(chosen.unit), number: from?.number ?? chosen.diverted_from,
      gain: minutes(chosen.gain_s ?? 0) })}</span>`}
    ${chosen.relieves && html`<span class="notice">${t(left?.cut_off ? 'proposal.relieves_cut_off'
      : 'proposal.relieves', {
      unit: callSign(chosen.unit), other: callSign(chosen.relieves), gain: minutes(chosen.gain_s ?? 0) })}</span>`}
    ${chosen.alternative && html`<span class="faint">${t('proposal.alternative')}</span>`}
  </span>`;
}

/**
 * What the choice leaves for the next call, and how sure the model is.
 * @param {{proposal: import('../types.js').Proposal}} props
 */
function Model({ proposal }) {
  const { coverage, coverage_after: after, gap = 0, solved = '' } = proposal;
  const proof = gap > 0 ? 'proposal.gap' : solved === 'feasible' ? 'proposal.feasible'
    : 'proposal.optimal';
  return html`<p class="faint model">
    ${coverage != null && after != null && html`<span title=${t('proposal.coverage_text')}>${t(
      'proposal.coverage', { before: percent(coverage), after: percent(after) })}</span> · `}
    ${tOr(`policy.${proposal.policy}`, proposal.policy ?? '')} · ${t(proof, {
      gap: percent(gap) })}</p>`;
}

/** @param {number} share */
const percent = (share) => `${(share * 100).toFixed(1)} %`;

/** @param {{streets: [string, number][]}} props */
function Road({ streets }) {
  const named = streets.filter(([name]) => name);
  if (!named.length) return null;
  return html`<div class="road">${named.map(([name, length], n) => html`<span key=${n}>${name}
    <i>${distance(length)}</i></span>`)}</div>`;
}
