// Numbers and times as people on duty read them. Relies on the catalogue for units of measure.

import { t } from './i18n.js';
import { prefs } from './prefs.js';
import { apart } from './said.js';

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * @param {string} zone
 * @param {Intl.DateTimeFormatOptions} options
 * @param {string} name
 */
function formatOf(zone, options, name) {
  const locale = prefs.get().lang === 'zh' ? 'zh-CN' : 'en-GB';
  const key = `${locale}|${zone}|${name}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(locale, { timeZone: zone, hourCycle: 'h23', ...options });
    formats.set(key, format);
  }
  return format;
}

/**
 * @param {string | number | null | undefined} time ISO text or ms
 * @param {string} zone
 */
export function clockTime(time, zone) {
  if (time === null || time === undefined) return '––:––:––';
  return formatOf(
    zone, { hour: '2-digit', minute: '2-digit', second: '2-digit' }, 'time',
  ).format(new Date(time));
}

/**
 * @param {string | number} time
 * @param {string} zone
 */
export function shortTime(time, zone) {
  return formatOf(zone, { hour: '2-digit', minute: '2-digit' }, 'short').format(new Date(time));
}

/**
 * @param {string | number} time
 * @param {string} zone
 */
export function dayOf(time, zone) {
  return formatOf(
    zone, { weekday: 'short', year: 'numeric', month: 'short', day: 'numeric' }, 'day',
  ).format(new Date(time));
}

/**
 * When something was said and when it arrived, where these are apart: see lib/said.js.
 * @param {string | null | undefined} said
 * @param {string | null | undefined} arrived
 * @param {string} zone
 * @returns {{said: string, at: string} | null}
 */
export function saidApart(said, arrived, zone) {
  const much = apart(said, arrived);
  if (!said || !arrived || !much) return null;
  const day = much === 'day' ? `${dayOf(said, zone)} ` : '';
  return { said: day + shortTime(said, zone), at: shortTime(arrived, zone) };
}

/**
 * Time to go or gone, as `m:ss`.
 * @param {number} seconds
 */
export function minutes(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/**
 * A difference in time, with its sign: `+m:ss` or `−m:ss`.
 * @param {number} seconds
 */
export const difference = (seconds) => (Math.round(seconds) < 0 ? '−' : '+')
  + minutes(Math.abs(seconds));

/**
 * Rough length of time: seconds, then minutes, then hours.
 * @param {number} seconds
 */
export function span(seconds) {
  const s = Math.max(0, seconds);
  if (s < 60) return t('span.s', { n: Math.floor(s) });
  if (s < 3600) return t('span.min', { n: Math.floor(s / 60) });
  if (s < 36000) {
    return t('span.hmin', { h: Math.floor(s / 3600), n: Math.floor((s % 3600) / 60) });
  }
  if (s < 172800) return t('span.h', { n: Math.floor(s / 3600) });
  return t('span.d', { n: Math.floor(s / 86400) });
}

/** @param {number} metres */
export function distance(metres) {
  return metres < 950
    ? t('distance.m', { n: Math.round(metres / 10) * 10 })
    : t('distance.km', { n: (metres / 1000).toFixed(1) });
}

/**
 * @param {string} iso
 * @param {number} nowMs
 */
export const secondsSince = (iso, nowMs) => (nowMs - Date.parse(iso)) / 1000;
