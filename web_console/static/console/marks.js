// What moves on the map, drawn on a canvas above it: incidents by priority (colour and shape),
// units by kind (letter) and state (colour and outline). Also tells what lies under a point.
// Positions glide between two reports of a unit; a jump that no vehicle makes is a jump.

import { metresBetween } from './selectors.js';

const JUMP_M = 4000;
const GLIDE_MS = { least: 250, most: 2500 };
const HIT_PX = 16;

export const COLOURS = {
  dark: {
    prio: ['', '#ff6b5e', '#ffa245', '#e9d25a', '#9fb3c4'], ink: '#10161d', ring: '#ffffff',
    unit: {
      available: '#3fc58c', returning: '#7ccfae', assigned: '#5ab0ff', en_route: '#5ab0ff',
      on_scene: '#c69bff', transporting: '#4fd0d8', at_hospital: '#4fd0d8',
      out_of_service: '#6b7885',
    },
    body: '#131a22',
  },
  light: {
    prio: ['', '#c62828', '#b35300', '#7d6500', '#51626f'], ink: '#ffffff', ring: '#10161d',
    unit: {
      available: '#12784d', returning: '#3d8468', assigned: '#1266c2', en_route: '#1266c2',
      on_scene: '#7438c4', transporting: '#0b7078', at_hospital: '#0b7078',
      out_of_service: '#66737f',
    },
    body: '#ffffff',
  },
};

/** Letter of a unit kind on the map. */
const LETTERS = /** @type {Record<string, string>} */ ({
  engine: 'E', medic: 'M', private_ambulance: 'A', truck: 'T', chief: 'C', rescue_captain: 'K',
  rescue_squad: 'R', support: 'S', airport: 'F', investigation: 'I', fire_engine: '消',
  ladder_truck: '梯', hazmat_vehicle: '化', ambulance: '救', police_car: '警',
  traffic_police_car: '交', gas_repair_van: '燃', drainage_truck: '排', forest_team: '林',
  grid_worker: '网', municipal_team: '修', home_care_team: '护', enforcement_car: '城',
  volunteer_team: '志',
});

/** @typedef {{lon: number, lat: number, fromLon: number, fromLat: number, at: number, ms: number}} Glide */

export class Marks {
  constructor() {
    /** @type {Map<string, Glide>} */
    this.glides = new Map();
    this.still = matchMedia('(prefers-reduced-motion: reduce)');
  }

  /**
   * Take the units' newest positions.
   * @param {Iterable<import('../types.js').Unit>} units
   * @param {number} now local ms
   */
  follow(units, now) {
    for (const unit of units) {
      const before = this.glides.get(unit.id);
      if (!before) {
        this.glides.set(unit.id, {
          lon: unit.lon, lat: unit.lat, fromLon: unit.lon, fromLat: unit.lat, at: now, ms: 0,
        });
      } else if (before.lon !== unit.lon || before.lat !== unit.lat) {
        const [lon, lat] = this.where(unit.id, now) ?? [unit.lon, unit.lat];
        const jumps = this.still.matches || metresBetween({ lon, lat }, unit) > JUMP_M;
        const gap = Math.min(GLIDE_MS.most, Math.max(GLIDE_MS.least, (now - before.at) * 1.1));
        this.glides.set(unit.id, {
          lon: unit.lon, lat: unit.lat, fromLon: jumps ? unit.lon : lon,
          fromLat: jumps ? unit.lat : lat, at: now, ms: jumps ? 0 : gap,
        });
      }
    }
  }

  /**
   * @param {string} id
   * @param {number} now
   * @returns {import('../types.js').LonLat | null}
   */
  where(id, now) {
    const g = this.glides.get(id);
    if (!g) return null;
    const part = g.ms ? Math.min(1, (now - g.at) / g.ms) : 1;
    return [g.fromLon + (g.lon - g.fromLon) * part, g.fromLat + (g.lat - g.fromLat) * part];
  }

  /** @param {number} now */
  moving(now) {
    for (const g of this.glides.values()) if (g.ms && now - g.at < g.ms) return true;
    return false;
  }
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} x
 * @param {number} y
 * @param {number} priority
 * @param {number} r
 */
function shape(ctx, x, y, priority, r) {
  ctx.beginPath();
  if (priority === 1) {
    ctx.moveTo(x, y - r * 1.25);
    ctx.lineTo(x + r * 1.25, y);
    ctx.lineTo(x, y + r * 1.25);
    ctx.lineTo(x - r * 1.25, y);
    ctx.closePath();
  } else if (priority === 2) {
    ctx.moveTo(x, y - r * 1.2);
    ctx.lineTo(x + r * 1.2, y + r * 0.95);
    ctx.lineTo(x - r * 1.2, y + r * 0.95);
    ctx.closePath();
  } else if (priority === 3) {
    ctx.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  } else {
    ctx.arc(x, y, r, 0, 2 * Math.PI);
  }
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {{x: number, y: number}} at
 * @param {import('../types.js').Incident} incident
 * @param {'dark' | 'light'} theme
 * @param {{selected: boolean, waiting: boolean, decision: boolean}} how
 */
export function drawIncident(ctx, at, incident, theme, how) {
  const c = COLOURS[theme];
  const r = how.selected ? 12 : incident.priority <= 2 ? 9.5 : 8;
  if (how.selected || how.decision) {
    ctx.beginPath();
    ctx.arc(at.x, at.y, r + 8, 0, 2 * Math.PI);
    ctx.strokeStyle = how.selected ? c.ring : c.prio[incident.priority];
    ctx.globalAlpha = how.selected ? 1 : 0.7;
    ctx.lineWidth = how.selected ? 2.5 : 1.5;
    ctx.stroke();
    ctx.globalAlpha = 1;
  }
  shape(ctx, at.x, at.y, incident.priority, r);
  ctx.fillStyle = how.waiting ? c.prio[incident.priority] : c.body;
  ctx.strokeStyle = how.waiting ? c.body : c.prio[incident.priority];
  ctx.lineWidth = how.waiting ? 1.5 : 2.5;
  ctx.fill();
  ctx.stroke();
  ctx.fillStyle = how.waiting ? c.ink : c.prio[incident.priority];
  ctx.font = '700 11px system-ui, sans-serif';
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  ctx.fillText(String(incident.priority), at.x, at.y + (incident.priority === 2 ? 2.5 : 0.5));
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {{x: number, y: number}} at
 * @param {import('../types.js').Unit} unit
 * @param {'dark' | 'light'} theme
 * @param {{selected: boolean, large: boolean, name: boolean}} how
 */
export function drawUnit(ctx, at, unit, theme, how) {
  const c = COLOURS[theme];
  const colour = /** @type {Record<string, string>} */ (c.unit)[unit.state] ?? c.unit.available;
  const busy = !['available', 'returning', 'out_of_service'].includes(unit.state);
  const half = how.large ? 8 : busy ? 6.5 : 4;
  ctx.beginPath();
  ctx.roundRect(at.x - half, at.y - half, half * 2, half * 2, 3);
  ctx.fillStyle = busy ? colour : c.body;
  ctx.fill();
  ctx.lineWidth = busy ? 1.2 : 1.8;
  ctx.strokeStyle = busy ? c.body : colour;
  if (unit.held_by) ctx.setLineDash([2, 2]);
  ctx.stroke();
  ctx.setLineDash([]);
  if (half > 5) {
    ctx.fillStyle = busy ? c.ink : colour;
    ctx.font = `700 ${how.large ? 10.5 : 9}px system-ui, "Noto Sans CJK SC", sans-serif`;
    ctx.textAlign = 'center';
    ctx.textBaseline = 'middle';
    ctx.fillText(LETTERS[unit.kind] ?? unit.kind.slice(0, 1).toUpperCase(), at.x, at.y + 0.5);
  }
  if (how.selected) {
    ctx.beginPath();
    ctx.arc(at.x, at.y, half + 7, 0, 2 * Math.PI);
    ctx.strokeStyle = c.ring;
    ctx.lineWidth = 2;
    ctx.stroke();
  }
  if (how.name) {
    ctx.font = '600 11px system-ui, sans-serif';
    ctx.textAlign = 'left';
    ctx.textBaseline = 'middle';
    ctx.lineWidth = 3;
    ctx.strokeStyle = c.body;
    ctx.strokeText(unit.call_sign || unit.id, at.x + half + 4, at.y);
    ctx.fillStyle = colour;
    ctx.fillText(unit.call_sign || unit.id, at.x + half + 4, at.y);
  }
}

/**
 * How many more stand on a spot than are drawn there.
 * @param {CanvasRenderingContext2D} ctx
 * @param {{x: number, y: number}} at
 * @param {number} count
 * @param {'dark' | 'light'} theme
 */
export function drawMore(ctx, at, count, theme) {
  ctx.font = '600 10px system-ui, sans-serif';
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ctx.fillStyle = COLOURS[theme].unit.available;
  ctx.fillText(`+${count}`, at.x - 4, at.y);
}

/**
 * The nearest of `marks` under a point, or null.
 * @param {{id: string, x: number, y: number}[]} marks
 * @param {{x: number, y: number}} point
 */
export function under(marks, point) {
  let best = null;
  let least = HIT_PX ** 2;
  for (const mark of marks) {
    const d = (mark.x - point.x) ** 2 + (mark.y - point.y) ** 2;
    if (d <= least) {
      least = d;
      best = mark;
    }
  }
  return best;
}
