// The keyboard: first hand of a dispatcher. Nothing here while somebody types or a dialog is open.

import { t } from '../lib/i18n.js';
import { tell } from './orders.js';
import { confirmProposal } from './proposal.js';
import { visibleRows } from './queue.js';
import { fitCity, fitSelected } from './map.js';
import { nextDecision, rows } from './selectors.js';
import { ask, live, select, setUi, ui } from './state.js';

/** @param {number} by */
function step(by) {
  const shown = visibleRows();
  if (!shown.length) return;
  const at = shown.findIndex((row) => row.id === ui.get().selected);
  const next = at < 0 ? (by > 0 ? 0 : shown.length - 1)
    : Math.min(shown.length - 1, Math.max(0, at + by));
  setUi({ selected: shown[next].id, left: 'queue' });
}

function toNextDecision() {
  const next = nextDecision(rows(live.get()), ui.get().selected);
  if (!next) {
    tell({ tone: 'info', text: t('queue.none_decide') }, 4000);
    return;
  }
  // A filter or a search that hides it would show a selection that isn't there.
  if (!visibleRows().some((row) => row.id === next.id)) setUi({ filter: 'decide', search: '' });
  setUi({ left: 'queue' });
  select(next.id);
}

/** @param {KeyboardEvent} event */
export function onKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.key === 'Escape' && target.matches('input[type="search"]')) target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || ui.get().dialog
    || target.matches('input:not([type="checkbox"]), textarea, select')) return;
  const incident = live.get().incidents.get(ui.get().selected);
  const onButton = target.closest('button, a, summary');
  /** @type {Record<string, () => void>} */
  const does = {
    j: () => step(1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    ArrowUp: () => step(-1),
    n: toNextDecision,
    c: () => incident && confirmProposal(incident),
    o: () => incident && ask({ kind: 'choose', incident: incident.id }),
    f: () => (incident ? fitSelected() : fitCity()),
    u: () => setUi({ left: ui.get().left === 'queue' ? 'units' : 'queue' }),
    '?': () => ask({ kind: 'help' }),
    '/': () => {
      setUi({ left: 'queue', pane: 'left' });
      requestAnimationFrame(() => document.getElementById('search')?.focus());
    },
    Enter: () => incident && select(incident.id),
    Escape: () => (ui.get().picking ? setUi({ picking: '' }) : select('')),
  };
  if (onButton && event.key === 'Enter') return;
  const run = does[event.key];
  if (!run) return;
  event.preventDefault();
  run();
}
