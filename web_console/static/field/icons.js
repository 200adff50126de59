// Pictures of what a grid worker reports most; the names come from the categories themselves.

import { html } from 'htm/preact';

/** Category id of our tree -> path in a 24×24 box. Only those that the city knows are offered. */
const PATHS = /** @type {Record<string, string>} */ ({
  'accident.fire': 'M12 2c1 4 5 6 5 11a5 5 0 0 1-10 0c0-2 1-3.5 2-4.500 0 2 1 3 2 3 0-4-1-6 1-9.500z',
  'health.medical': 'M9.500 4h5v5.500H20v5h-5.500V20h-5v-5.500H4v-5h5.500z',
  'accident.traffic': 'M5 11l1.800-5.200A2 2 0 0 1 8.700 4.500h6.600a2 2 0 0 1 1.900 1.300L19 11c1 .4 1.500 1 1.500 2v5.500h-3V17h-11v1.500h-3V13c0-1 .5-1.600 1.500-2zm2.300-.4h9.400l-1.300-3.800H8.600zM7 15.200a1.200 1.200 0 1 0 0-2.400 1.200 1.200 0 0 0 0 2.400zm10 0a1.200 1.200 0 1 0 0-2.400 1.200 1.200 0 0 0 0 2.400z',
  'accident.gas_leak': 'M7 21V9a5 5 0 0 1 10 0v12zM10.500 2h3v2h-3zM9.500 12.500h5v2h-5z',
  'natural.flood.urban': 'M12 2c3 4.500 4.500 6.500 4.500 9a4.500 4.500 0 0 1-9 0c0-2.500 1.500-4.500 4.500-9zM2 18c2-1.500 3.500-1.500 5 0s3 1.500 5 0 3.500-1.500 5 0 3 1.500 5 0v3c-2 1.300-3.500 1.300-5 0s-3.500-1.300-5 0-3.500 1.300-5 0-3-1.300-5 0z',
  'accident.hazmat.leak': 'M10 2h4v5l5.500 11a2 2 0 0 1-1.800 3H6.300a2 2 0 0 1-1.800-3L10 7zm1 9-3 6.500h8L13 11z',
  'city.assist': 'M12 3.500a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7zM4.500 20.500c0-5 3-8 7.500-8s7.500 3 7.500 8z',
  'city.manhole': 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 3a6 6 0 1 1 0 12 6 6 0 0 1 0-12zM8 11h8v2H8z',
});

/** @param {Record<string, any>} categories */
export const offered = (categories) => Object.keys(PATHS).filter((id) => id in categories);

/** @param {{id: string}} props */
export const Icon = ({ id }) => html`<svg viewBox="0 0 24 24" width="30" height="30"
  aria-hidden="true"><path fill-rule="evenodd" d=${PATHS[id]} /></svg>`;
