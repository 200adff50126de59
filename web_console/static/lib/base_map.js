// The streets as a map: our own road graph drawn as vectors, labels rendered from system fonts, no
// tile or glyph server. Both pages use it. What moves on it is drawn by who knows it.

import * as maplibre from 'maplibre-gl';

import { get } from './http.js';

maplibre.setWorkerUrl('/static/node_modules/maplibre-gl/dist/maplibre-gl-worker.mjs');

/** @typedef {import('maplibre-gl').Map} MapGL */

const FONT = 'system-ui';

const PAINT = {
  dark: {
    ground: '#0d1218', minor: '#24303c', middle: '#31414f', major: '#465a6b', fast: '#5b6f80',
    text: '#8fa1b1', halo: '#0d1218', cell: '#2a3846', route: '#5ab0ff', proposal: '#ffd166',
    closed: '#ff6b5e',
  },
  light: {
    ground: '#eef1f3', minor: '#ffffff', middle: '#fdfdfd', major: '#d2dae1', fast: '#bcc8d2',
    text: '#4a5865', halo: '#eef1f3', cell: '#ccd6de', route: '#1266c2', proposal: '#9a6a00',
    closed: '#c62828',
  },
};

const CLASSES = {
  fast: ['freeway', 'motorway', 'highway', 'trunk', 'ramp'],
  major: ['arterial', 'primary'],
  middle: ['collector', 'secondary', 'tertiary'],
};

/** @param {keyof typeof CLASSES} key */
const isClass = (key) => ['in', ['coalesce', ['get', 'class'], ''], ['literal', CLASSES[key]]];

const NOTHING = { type: 'FeatureCollection', features: [] };

/** @param {'dark' | 'light'} theme */
export const paintOf = (theme) => PAINT[theme];

/**
 * @param {'dark' | 'light'} theme
 * @param {any} roads GeoJSON
 * @param {any} cells GeoJSON of the grid cells, or null where they aren't shown
 * @returns {any}
 */
export function mapStyle(theme, roads, cells = null) {
  const p = PAINT[theme];
  /**
   * @param {number} near
   * @param {number} far
   */
  const width = (near, far) => ['interpolate', ['exponential', 1.6], ['zoom'], 10, far, 13,
    far * 1.7, 16, near, 19, near * 5];
  const minor = ['!', ['any', isClass('fast'), isClass('major'), isClass('middle')]];
  /**
   * @param {string} id
   * @param {any} filter
   * @param {string} colour
   * @param {number} near
   * @param {number} far
   * @param {number} [minzoom]
   */
  const line = (id, filter, colour, near, far, minzoom = 0) => ({
    id, type: 'line', source: 'roads', filter, minzoom,
    layout: { 'line-cap': 'round', 'line-join': 'round' },
    paint: { 'line-color': colour, 'line-width': width(near, far) },
  });
  /**
   * @param {string} id
   * @param {any} filter
   * @param {number} minzoom
   */
  const label = (id, filter, minzoom) => ({
    id, type: 'symbol', source: 'roads', filter: ['all', ['has', 'name'], filter], minzoom,
    layout: {
      'symbol-placement': 'line', 'text-field': ['get', 'name'], 'text-font': [FONT],
      'text-size': 11, 'symbol-spacing': 320, 'text-padding': 6, 'text-max-angle': 30,
    },
    paint: { 'text-color': p.text, 'text-halo-color': p.halo, 'text-halo-width': 1.6 },
  });
  return {
    version: 8,
    sources: {
      roads: { type: 'geojson', data: roads, tolerance: 0.6, maxzoom: 15 },
      cells: { type: 'geojson', data: cells ?? NOTHING },
      closures: { type: 'geojson', data: NOTHING },
      routes: { type: 'geojson', data: NOTHING },
    },
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': p.ground } },
      line('roads-minor', minor, p.minor, 5, 0.5),
      line('roads-middle', isClass('middle'), p.middle, 6, 0.8),
      line('roads-major', isClass('major'), p.major, 7, 1.1),
      line('roads-fast', isClass('fast'), p.fast, 8, 1.5),
      { id: 'cells', type: 'line', source: 'cells',
        paint: { 'line-color': p.text, 'line-width': 1, 'line-opacity': 0.45,
          'line-dasharray': [3, 2] } },
      { id: 'cells-names', type: 'symbol', source: 'cells', minzoom: 13.5,
        layout: { 'text-field': ['get', 'code'], 'text-font': [FONT], 'text-size': 10.5 },
        paint: { 'text-color': p.text, 'text-halo-color': p.halo, 'text-halo-width': 1.4 } },
      { id: 'closures-fill', type: 'fill', source: 'closures',
        paint: { 'fill-color': p.closed, 'fill-opacity': ['case', ['get', 'slow'], 0.1, 0.22] } },
      { id: 'closures-line', type: 'line', source: 'closures',
        paint: { 'line-color': p.closed, 'line-width': 2, 'line-dasharray': [2, 1.5] } },
      { id: 'routes', type: 'line', source: 'routes', filter: ['==', ['get', 'kind'], 'under_way'],
        layout: { 'line-cap': 'round', 'line-join': 'round' },
        paint: { 'line-color': p.route, 'line-width': ['case', ['get', 'selected'], 4.5, 2.5],
          'line-opacity': ['case', ['get', 'selected'], 0.95, 0.5] } },
      { id: 'routes-proposed', type: 'line', source: 'routes',
        filter: ['==', ['get', 'kind'], 'proposed'],
        layout: { 'line-cap': 'butt', 'line-join': 'round' },
        paint: { 'line-color': p.proposal, 'line-width': 4, 'line-dasharray': [1.6, 1] } },
      label('names-major', ['any', isClass('fast'), isClass('major')], 13),
      label('names-middle', isClass('middle'), 14.2),
      label('names-minor', minor, 15.2),
    ],
  };
}

/** @type {Promise<any> | null} */
let loading = null;

/** The city's streets, asked for once. */
export function roads() {
  loading ??= get('/api/roads.geojson').catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** @type {Promise<any> | null} */
let loadingCells = null;

/** The grid cells, asked for once. */
export function gridCells() {
  loadingCells ??= get('/api/cells.geojson').catch((error) => {
    loadingCells = null;
    throw error;
  });
  return loadingCells;
}

/**
 * Circle of `radius_m` around a point as a polygon's ring.
 * @param {number} lon
 * @param {number} lat
 * @param {number} radiusM
 * @returns {import('../types.js').LonLat[]}
 */
export function ring(lon, lat, radiusM) {
  const points = 40;
  const dLat = radiusM / 111320;
  const dLon = dLat / Math.cos(lat * Math.PI / 180);
  return Array.from({ length: points + 1 }, (_, n) => {
    const angle = 2 * Math.PI * n / points;
    return [lon + dLon * Math.cos(angle), lat + dLat * Math.sin(angle)];
  });
}

/** Whether this browser can draw the map at all. */
export function canDraw() {
  try {
    return !!document.createElement('canvas').getContext('webgl2');
  } catch {
    return false;
  }
}

/**
 * @param {HTMLElement} container
 * @param {import('../types.js').City} city
 * @param {'dark' | 'light'} theme
 * @param {boolean} whole begin with all of the city in view, else at its center and zoom
 * @returns {Promise<MapGL>} with streets on it
 */
export async function makeMap(container, city, theme, whole) {
  const streets = await roads();
  const map = new maplibre.Map({
    container,
    style: mapStyle(theme, streets),
    ...(whole && city.bounds ? { bounds: city.bounds, fitBoundsOptions: { padding: 24 } }
      : { center: city.center, zoom: city.zoom }),
    minZoom: Math.max(0, city.zoom - 3),
    maxZoom: 19,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    fadeDuration: matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 150,
    localIdeographFontFamily: '"PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif',
  });
  map.touchZoomRotate.disableRotation();
  return map;
}
