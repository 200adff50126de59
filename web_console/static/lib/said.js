// Whether a word arrived at another time than its sender said it, by the sender's clock: it waited
// for a network, or that clock is wrong. Pure; how it reads is lib/format.js.

/** A word that takes no longer needs no explanation. */
export const LATE_MS = 60000;
const DAY_MS = 86400000;

/**
 * @param {string | null | undefined} said
 * @param {string | null | undefined} arrived
 * @returns {'' | 'time' | 'day'} what must be told: nothing, the time, or the day as well
 */
export function apart(said, arrived) {
  const ms = Math.abs(Date.parse(arrived ?? '') - Date.parse(said ?? ''));
  if (!(ms > LATE_MS)) return '';
  return ms < DAY_MS / 2 ? 'time' : 'day';
}
