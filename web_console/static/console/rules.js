// What a person set for the whole jurisdiction, and what another person ordered meanwhile: who,
// when, why, in words; with one press to set a rule back.

import { html } from 'htm/preact';

import { clockTime } from '../lib/format.js';
import { t, tOr } from '../lib/i18n.js';
import { usePrefs } from '../lib/prefs.js';
import { createStore, useStore } from '../lib/store.js';
import { OrderButton } from './parts.js';
import { order } from './orders.js';
import { callSign, live, theCity, theSession } from './state.js';

const AWAY = 'gridcommand.rules_away';

/** Changes that this screen's person has put away. */
const away = createStore(/** @type {string[]} */ (JSON.parse(localStorage.getItem(AWAY) ?? '[]')));

/** @param {string} change */
function putAway(change) {
  away.update((all) => [...all.slice(-50), change]);
  localStorage.setItem(AWAY, JSON.stringify(away.get()));
}

/** Whether who is signed in may set what holds for the whole jurisdiction. */
export const commands = () => ['commander', 'admin'].includes(theSession().role);

/** @param {string | undefined} posture */
const postureName = (posture) => t(`posture.${posture ?? 'routine'}`);

/** @param {number[] | undefined} priorities */
const prioritiesName = (priorities) => (priorities?.length
  ? priorities.map((p) => t(`priority.${p}`)).join(', ') : t('rules.nothing'));

/**
 * The rules that a person set, newest first, as they are said and as they are set back.
 * @param {import('../types.js').Rules} rules
 */
export function ruleChanges(rules) {
  const posture = rules.posture_change;
  const automation = rules.automation_change;
  return [
    posture && {
      ...posture, type: 'set_posture', now: postureName(rules.posture),
      was: postureName(posture.before), back: { posture: posture.before },
    },
    automation && {
      ...automation, type: 'set_automation', now: prioritiesName(rules.automatic_priorities),
      was: prioritiesName(automation.before), back: { priorities: automation.before },
    },
  ].filter((change) => !!change).sort((a, b) => b.seq - a.seq);
}

/**
 * @param {{type: string, by: string, at: string, reason: string, now: string}} change
 */
const said = ({ type, by, at, reason, now }) => t(`rules.did_${type}`, {
  by, now, reason: reason || t('reopen.no_reason'), time: clockTime(at, theCity().timezone),
});

/** Who set the posture or the automation, when and why: until it is put away, or set back. */
export function RuleChanges() {
  usePrefs();
  const rules = useStore(live, (s) => s.rules);
  const jurisdiction = useStore(live, (s) => s.jurisdiction);
  const gone = useStore(away, (all) => all);
  return html`${ruleChanges(rules).map((change) => {
    const id = `${jurisdiction}/${change.type}/${change.seq}`;
    if (gone.includes(id)) return null;
    return html`<div class="notice warn rulechange" role="status" key=${id}>
      <span>${said(change)}</span>
      ${commands() && change.was !== change.now && html`<${OrderButton} kind="small"
        orderKey=${`undo-${change.type}`} onClick=${() => order(jurisdiction, change.type, {
          ...change.back, reason: t('rules.undone', { by: change.by, reason: change.reason }),
          saw: change.seq,
        }, { key: `undo-${change.type}` })}>${t('rules.undo', { was: change.was })}</${OrderButton}>`}
      <button type="button" class="iconbutton" aria-label=${t('note.dismiss')}
        onClick=${() => putAway(id)}>×</button>
    </div>`;
  })}`;
}

/**
 * What another person ordered on an incident, or set, since an order's giver looked.
 * @param {import('../types.js').LiveState} state
 * @param {string} type of the order that was refused
 * @param {string} incident
 */
export function whatTheyDid(state, type, incident) {
  const last = state.incidents.get(incident)?.last_order;
  if (last) {
    return t('again.did', {
      by: tOr(`by.${last.by}`, last.by),
      time: clockTime(last.at, theCity().timezone),
      order: t(`order.${last.order}`),
      units: (last.units ?? []).map(callSign).join(', '),
      reason: last.reason || t('reopen.no_reason'),
    });
  }
  const change = ruleChanges(state.rules).find((one) => one.type === type);
  return change ? said(change) : t('refused.changed_meanwhile');
}
