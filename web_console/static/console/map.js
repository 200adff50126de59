// The commander's map: streets from lib/base_map.js, routes and closures as its layers, incidents
// and units on a canvas above (marks.js). Follows the stores by itself; draws only when something
// moved.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { canDraw, gridCells, makeMap, mapStyle, ring, roads } from '../lib/base_map.js';
import { nameOf, t } from '../lib/i18n.js';
import { prefs, setCells, usePrefs } from '../lib/prefs.js';
import { useStore } from '../lib/store.js';
import { Marks, drawIncident, drawMore, drawUnit, under } from './marks.js';
import { farText } from './parts.js';
import { onTheWay, rows, running } from './selectors.js';
import { ask, callSign, live, select, setUi, theCity, ui } from './state.js';

const FRAME_MS = 50;
const NAMES_FROM_ZOOM = 14.5;
const LARGE_FROM_ZOOM = 13;
const STACK_MOST = 6;

/** @type {import('../lib/base_map.js').MapGL | null} */
let current = null;

/** @param {import('../types.js').LonLat} place */
export function lookAt(place) {
  setUi({ pane: 'map' });
  current?.easeTo({ center: place, zoom: Math.max(current.getZoom(), 14.5) });
}

/** Show the whole city again. */
export function fitCity() {
  const city = theCity();
  if (city.bounds) current?.fitBounds(city.bounds, { padding: 30 });
  else current?.easeTo({ center: city.center, zoom: city.zoom });
}

/** Show the selected incident with all who go there. */
export function fitSelected() {
  const state = live.get();
  const incident = state.incidents.get(ui.get().selected);
  if (!current || !incident || incident.lon == null || incident.lat == null) return;
  const points = [[incident.lon, incident.lat]];
  for (const unit of state.units.values()) {
    if (unit.incident === incident.id) points.push([unit.lon, unit.lat]);
  }
  for (const choice of state.proposals.get(incident.proposal ?? '')?.choices ?? []) {
    points.push(...(choice.route ?? []));
  }
  const lons = points.map((p) => p[0]);
  const lats = points.map((p) => p[1]);
  current.fitBounds(
    [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)],
    { padding: 70, maxZoom: 15.5 },
  );
}

export function CityMap() {
  const { theme, cells } = usePrefs();
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const sheet = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const picking = useStore(ui, (u) => u.picking);
  const [state, setState] = useState(/** @type {'loading' | 'ready' | 'failed' | 'no_gl'} */ (
    'loading'));
  const [attempt, setAttempt] = useState(0);
  const [cellsMissing, setCellsMissing] = useState(false);
  const [cellsAttempt, setCellsAttempt] = useState(0);

  useEffect(() => {
    if (!canDraw()) {
      setState('no_gl');
      return undefined;
    }
    /** @type {(() => void) | undefined} */
    let stop;
    let gone = false;
    makeMap(/** @type {HTMLElement} */ (box.current), theCity(), prefs.get().theme, true).then((map) => {
      if (gone) {
        map.remove();
        return;
      }
      current = map;
      stop = animate(map, /** @type {HTMLCanvasElement} */ (sheet.current));
      map.once('idle', () => setState('ready'));
    }).catch(() => setState('failed'));
    return () => {
      gone = true;
      stop?.();
      current?.remove();
      current = null;
    };
  }, [attempt]);

  useEffect(() => {
    const map = current;
    if (!map) return;
    let gone = false;
    // The choice is kept when the cells don't come: a blink of the network is no wish.
    Promise.all([roads(), cells ? gridCells().catch(() => null) : null]).then(([streets, grid]) => {
      if (gone) return;
      map.setStyle(mapStyle(theme, streets, grid), { diff: true });
      setCellsMissing(cells && !grid);
    });
    return () => {
      gone = true;
    };
  }, [theme, cells, cellsAttempt, state]);

  const city = theCity();
  return html`<section class="map ${picking ? 'picking' : ''}" aria-label=${t('map.title')}>
    <div class="map-gl" ref=${box}></div>
    <canvas class="map-marks" ref=${sheet} aria-hidden="true"></canvas>
    <div class="map-tools">
      <button type="button" class="iconbutton" title=${t('map.in')} aria-label=${t('map.in')}
        onClick=${() => current?.zoomIn()}>+</button>
      <button type="button" class="iconbutton" title=${t('map.out')} aria-label=${t('map.out')}
        onClick=${() => current?.zoomOut()}>−</button>
      <button type="button" class="iconbutton" title=${t('map.fit')} aria-label=${t('map.fit')}
        onClick=${fitCity}><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path
        d="M1 1h5v2H3v3H1zM10 1h5v5h-2V3h-3zM1 10h2v3h3v2H1zM13 10h2v5h-5v-2h3z" /></svg></button>
      <button type="button" class="iconbutton" aria-pressed=${cells} title=${t('map.cells')}
        aria-label=${t('map.cells')} onClick=${() => setCells(!cells)}>
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path
        d="M1 1h6v6H1zM9 1h6v6H9zM1 9h6v6H1zM9 9h6v6H9zM2.5 2.5v3h3v-3zM10.5 2.5v3h3v-3zM2.5 10.5v3h3v-3zM10.5 10.5v3h3v-3z"
        fill-rule="evenodd" /></svg></button>
      <button type="button" class="iconbutton danger" aria-pressed=${picking === 'closure'}
        title=${t('map.close_road')} aria-label=${t('map.close_road')}
        onClick=${() => setUi({ picking: picking ? '' : 'closure' })}>
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path
        d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM3.5 6.8h9v2.4h-9z" /></svg></button>
    </div>
    ${picking && html`<div class="map-hint" role="status">${t(
      picking === 'closure' ? 'map.picking' : 'map.picking_place')}
      <button type="button" class="button small" onClick=${() => setUi({ picking: '' })}>
        ${t('dialog.cancel')}</button></div>`}
    ${cellsMissing && html`<div class="map-hint" role="status">${t('map.cells_failed')}
      <button type="button" class="button small" onClick=${() => setCellsAttempt(cellsAttempt + 1)}>
        ${t('again')}</button></div>`}
    <${Legend} />
    ${state === 'loading' && html`<div class="map-cover">${t('map.loading')}</div>`}
    ${state === 'no_gl' && html`<div class="map-cover">${t('map.no_gl')}</div>`}
    ${state === 'failed' && html`<div class="map-cover">${t('map.failed')}
      <button type="button" class="button" onClick=${() => { setState('loading'); setAttempt(attempt + 1); }}>
        ${t('again')}</button></div>`}
    <div class="map-credit">${nameOf(city.roads_notice)} ${nameOf(city.attribution)}</div>
  </section>`;
}

function Legend() {
  const [open, setOpen] = useState(false);
  return html`<div class="legend ${open ? 'open' : ''}">
    <button type="button" class="linkish" aria-expanded=${open} onClick=${() => setOpen(!open)}>
      ${t('map.legend')}</button>
    ${open && html`<ul>
      ${[1, 2, 3, 4].map((p) => html`<li key=${p}><span class="prio prio-${p}"><span>${p}</span></span>
        ${t(`priority.${p}`)}</li>`)}
      <li class="rule"><span class="key waiting"></span>${t('map.filled')}</li>
      ${['available', 'en_route', 'on_scene', 'transporting', 'out_of_service'].map((s) => html`<li
        key=${s}><span class="key state-${s}"></span>${t(`unit.${s}`)}</li>`)}
    </ul>`}
  </div>`;
}

/**
 * @param {import('../lib/base_map.js').MapGL} map
 * @param {HTMLCanvasElement} canvas
 * @returns {() => void} stops it
 */
function animate(map, canvas) {
  const marks = new Marks();
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  /** @type {{id: string, x: number, y: number}[]} */
  let incidentsAt = [];
  /** @type {{id: string, x: number, y: number}[]} */
  let unitsAt = [];
  let dirty = true;
  let frame = 0;
  let drawnAt = 0;
  /** @type {unknown[]} */
  let lines = [];

  const size = () => {
    const scale = devicePixelRatio || 1;
    const { clientWidth, clientHeight } = canvas;
    canvas.width = clientWidth * scale;
    canvas.height = clientHeight * scale;
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    dirty = true;
  };
  const watch = new ResizeObserver(() => {
    map.resize();
    size();
    draw(performance.now());
  });
  watch.observe(canvas);

  /** @param {number} now */
  const draw = (now) => {
    dirty = false;
    drawnAt = now;
    const state = live.get();
    const { selected, unit: marked } = ui.get();
    const { theme } = prefs.get();
    const { clientWidth: w, clientHeight: h } = canvas;
    const zoom = map.getZoom();
    ctx.clearRect(0, 0, w, h);
    unitsAt = [];
    incidentsAt = [];
    const proposed = new Set(
      (state.proposals.get(state.incidents.get(selected)?.proposal ?? '')?.choices ?? [])
        .map((choice) => choice.chosen?.unit),
    );
    /** @type {Map<string, number>} */
    const stacked = new Map();
    /** @type {Map<string, {x: number, y: number}>} */
    const tops = new Map();
    for (const unit of [...state.units.values()].sort((a, b) => busy(a) - busy(b))) {
      const place = marks.where(unit.id, now) ?? [unit.lon, unit.lat];
      const at = map.project(/** @type {[number, number]} */ (place));
      if (at.x < -30 || at.y < -30 || at.x > w + 30 || at.y > h + 30) continue;
      const ours = unit.id === marked || proposed.has(unit.id)
        || (!!selected && unit.incident === selected);
      // Those who stand on one spot (a station) stand side by side.
      const spot = `${Math.round(at.x / 6)}|${Math.round(at.y / 6)}`;
      const before = stacked.get(spot) ?? 0;
      stacked.set(spot, before + 1);
      const gap = zoom >= LARGE_FROM_ZOOM ? 18 : busy(unit) ? 14 : 10;
      if (unit.state === 'on_scene') at.y += 20;
      if (before >= STACK_MOST && !ours) continue;
      at.x += (before % 3) * gap;
      at.y += Math.floor(before / 3) * gap;
      tops.set(spot, { x: at.x - (before % 3) * gap, y: at.y + gap });
      drawUnit(ctx, at, unit, theme, {
        selected: unit.id === marked, large: zoom >= LARGE_FROM_ZOOM || ours,
        name: ours || (zoom >= NAMES_FROM_ZOOM && busy(unit) > 0),
      });
      unitsAt.push({ id: unit.id, x: at.x, y: at.y });
    }
    for (const [spot, count] of stacked) {
      const at = tops.get(spot);
      if (at && count > STACK_MOST) drawMore(ctx, at, count - STACK_MOST, theme);
    }
    for (const row of [...rows(state)].reverse()) {
      const { incident } = row;
      const isSelected = incident.id === selected;
      if ((row.group === 'closed' && !isSelected) || incident.lon == null || incident.lat == null) {
        continue;
      }
      const at = map.project([incident.lon, incident.lat]);
      if (at.x < -30 || at.y < -30 || at.x > w + 30 || at.y > h + 30) continue;
      drawIncident(ctx, at, incident, theme, {
        selected: isSelected, waiting: row.group === 'waiting', decision: !!row.decision,
      });
      incidentsAt.push({ id: incident.id, x: at.x, y: at.y });
    }
  };

  const loop = () => {
    frame = requestAnimationFrame(loop);
    const now = performance.now();
    if (now - drawnAt < FRAME_MS) return;
    if (dirty || marks.moving(now)) draw(now);
  };

  const drawLines = () => {
    if (!map.getSource('routes')) return;
    const state = live.get();
    const { selected } = ui.get();
    const made = [state.assignments, state.proposals, state.closures, selected];
    if (made.every((part, n) => part === lines[n])) return;
    lines = made;
    set(map, 'closures', [...state.closures.values()].map((c) => ({
      type: 'Feature', properties: { id: c.id, slow: !!c.speed },
      geometry: { type: 'Polygon', coordinates: [c.ring?.length ? [...c.ring, c.ring[0]]
        : ring(c.lon, c.lat, c.radius_m)] },
    })));
    const routes = [];
    for (const a of state.assignments.values()) {
      if (!running(a) || (a.route?.length ?? 0) < 2 || !onTheWay(a)) {
        continue;
      }
      routes.push(line(a.route ?? [], 'under_way', a.incident === selected));
    }
    const incident = state.incidents.get(selected);
    for (const choice of state.proposals.get(incident?.proposal ?? '')?.choices ?? []) {
      if (choice.route?.length) routes.push(line(choice.route, 'proposed', true));
    }
    set(map, 'routes', routes);
  };

  const changed = () => {
    marks.follow(live.get().units.values(), performance.now());
    dirty = true;
    drawLines();
  };

  /** @param {import('maplibre-gl').MapMouseEvent} event */
  const clicked = (event) => {
    const { picking } = ui.get();
    if (picking) {
      setUi({ picking: '' });
      const at = { lon: event.lngLat.lng, lat: event.lngLat.lat };
      ask(picking === 'closure' ? { kind: 'closure', ...at }
        : { kind: 'place', incident: picking, ...at });
      return;
    }
    const incident = under(incidentsAt, event.point);
    if (incident) {
      select(incident.id);
      return;
    }
    const unit = under(unitsAt, event.point);
    if (unit) {
      setUi({ unit: unit.id, left: 'units' });
      return;
    }
    const closure = [...live.get().closures.values()].find((c) => {
      const at = map.project([c.lon, c.lat]);
      return Math.hypot(at.x - event.point.x, at.y - event.point.y) < 14;
    });
    if (closure) ask({ kind: 'reopen', closure: closure.id });
    else if (ui.get().unit) setUi({ unit: '' });
  };

  /** @param {import('maplibre-gl').MapMouseEvent} event */
  const hovered = (event) => {
    const hit = under(incidentsAt, event.point) ?? under(unitsAt, event.point);
    map.getCanvas().style.cursor = ui.get().picking ? 'crosshair' : hit ? 'pointer' : '';
    const far = live.get().units.get(hit?.id ?? '')?.far;
    map.getCanvas().title = far ? `${callSign(hit?.id ?? '')}: ${farText(far)}` : '';
  };

  map.on('click', clicked);
  map.on('mousemove', hovered);
  map.on('render', () => draw(performance.now()));
  map.on('styledata', () => {
    lines = [];
    drawLines();
  });
  const stops = [live.subscribe(changed), ui.subscribe(changed), prefs.subscribe(changed)];
  let shown = ui.get().selected;
  stops.push(ui.subscribe(() => {
    const { selected } = ui.get();
    if (selected === shown) return;
    shown = selected;
    if (selected) fitSelected();
  }));
  size();
  changed();
  loop();
  return () => {
    cancelAnimationFrame(frame);
    watch.disconnect();
    for (const stop of stops) stop();
  };
}

/** @param {import('../types.js').Unit} unit */
const busy = (unit) => Number(!['available', 'returning', 'out_of_service'].includes(unit.state));

/**
 * @param {import('../types.js').LonLat[]} coordinates
 * @param {string} kind
 * @param {boolean} selected
 */
const line = (coordinates, kind, selected) => ({
  type: 'Feature', properties: { kind, selected },
  geometry: { type: 'LineString', coordinates },
});

/**
 * @param {import('../lib/base_map.js').MapGL} map
 * @param {string} source
 * @param {any[]} features
 */
function set(map, source, features) {
  const found = /** @type {import('maplibre-gl').GeoJSONSource | undefined} */ (
    map.getSource(source));
  found?.setData({ type: 'FeatureCollection', features });
}
