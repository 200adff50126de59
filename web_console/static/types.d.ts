// What the backend sends, as the pages know it. Names follow models/situation.py; a field that has
// its default value there is left out on the wire, so nearly everything is optional here.

export type Lang = 'zh' | 'en';
export type Names = Record<string, string>;
export type LonLat = [number, number];

export interface Requirement {
  key: string; skills: string[]; count: number; within_s: number; playbook: string; names?: Names;
  package?: string; shares?: string[];
}
export interface Escalation { at: string; deadline: string; to_role: string; notice: Names; kind?: string;
  unit?: string; states?: string[]; until?: string }
export interface Incident {
  id: string; number: string; state: string; category: string; priority: number; grade: string;
  confidence: number; opened_at: string; updated_at: string; updated_seq: number;
  triage?: boolean; life_threat?: boolean; reading?: Reading | null; text?: string; code?: string; channel?: string; lon?: number | null;
  lat?: number | null; place?: string; cell?: string; outside?: boolean;
  observed_at?: string | null; clock_skew_s?: number; reports?: string[]; report_count?: number;
  texts?: string[]; leading?: string; words?: Record<string, Names>; photos?: string[]; facts?: Record<string, boolean | number | string>; playbooks?: string[]; playbook_names?: Record<string, Names>;
  requirements?: Requirement[]; notices?: Names[]; response_level?: number | null;
  assignments?: string[]; tasks?: string[]; proposal?: string; by_hand?: boolean;
  triaged_by?: string; pins?: string[]; bans?: string[]; escalations?: Escalation[];
  merged_into?: string; former?: number; reopened_at?: string | null;
  joined?: { incident: string }[]; first_ordered_at?: string | null; first_on_scene_at?: string | null;
  closed_at?: string | null; losses?: number; far?: boolean; last_order?: LastOrder | null;
  near?: { lon: number; lat: number; names: Names; cell?: string } | null;
}
/** What was read in a text: models/events/reading.py, without the sketch. */
export interface Reading {
  reader: string; language?: string; modality?: string; real?: number; danger?: number;
  categories?: { category: string; probability: number }[]; because?: string[];
  alarming?: string[]; unreal?: string[]; taught?: string;
}
export interface LastOrder {
  seq: number; at: string; order: string; by: string; reason?: string; units?: string[];
}
export interface Unit {
  id: string; kind: string; skills: string[]; owner: string; state: string; lon: number;
  lat: number; home_lon: number; home_lat: number; since: string; position_at: string;
  updated_seq: number; station?: string; call_sign?: string; assignment?: string;
  incident?: string; queue?: string[]; held_by?: string; held_reason?: string; post?: string; neighbour?: string;
  far?: FarPosition | null;
}
export interface FarPosition { lon: number; lat: number; away_m: number; told_at: string }
export interface Assignment {
  id: string; incident: string; unit: string; requirement: string; state: string; by: string;
  updated_seq: number; proposal?: string; override?: boolean; reason?: string; turnout_s?: number;
  drive_s?: number; length_m?: number; route?: LonLat[]; times?: Record<string, string>;
  said?: Record<string, string>;
  rerouted_at?: string | null; added_s?: number; cut_off?: boolean; relieves?: string;
  also?: string; hospital?: string; hospital_s?: number; hospital_by?: string;
  diverted_from?: string; diverted_to?: string; end_reason?: string;
  hospital_options?: HospitalOption[];
}
export interface HospitalOption {
  hospital: string; load: number; per_hour: number; drive_s?: number | null; over_s?: number;
  closed?: boolean;
}
export interface Hospital {
  id: string; names: Names; lon: number; lat: number; updated_seq: number;
  listed_per_hour?: number | null; set_per_hour?: number | null; closed?: boolean;
  set_by?: string; reason?: string; bound?: string[]; brought?: string[];
}
export interface Candidate {
  unit: string; turnout_s: number; drive_s: number; length_m?: number; walked_m?: number; cost?: number;
  cordon?: string[]; cordon_m?: number;
  added_s?: number; bare_s?: number;
  diverted_from?: string; gain_s?: number; relieves?: string; alternative?: boolean;
  also?: string; aid?: Names; aid_s?: number;
}
export interface Exclusion { rule: string; units: string[]; count: number; names?: Names }
export interface Choice {
  requirement: string; slot: number; chosen?: Candidate | null; route?: LonLat[];
  streets?: [string, number][]; runners_up?: Candidate[]; excluded?: Exclusion[];
}
export interface Proposal {
  id: string; incident: string; made_at: string; choices: Choice[]; updated_seq: number;
  shortage?: Record<string, number>; automatic?: boolean; held?: string; counted_priority?: number; status?: string;
  policy?: string; gap?: number; solved?: string; coverage?: number | null; coverage_after?: number | null;
  next_free_s?: number | null;
}
export interface Task {
  id: string; incident: string; title: Names; role: string; due: string; state: string;
  assigned_at: string; updated_seq: number; proof?: string; assignee?: string; cell?: string;
  by?: string; note?: string; photos?: string[];
}
export interface Closure {
  id: string; lon: number; lat: number; radius_m: number; since: string; updated_seq: number;
  until?: string | null; by?: string; reason?: string; ring?: LonLat[]; edges?: string[];
  speed?: number;
}
export interface MoveUp {
  id: string; lon: number; lat: number; drive_s: number; made_at: string; updated_seq: number;
  post?: string; coverage?: number; coverage_after?: number;
}
export interface SimplerPlanning {
  since: string; policy: string; used: string; error: string; incidents?: string[];
  hung?: number;
}
export interface Rules {
  posture?: string; automatic_priorities?: number[]; simpler_planning?: SimplerPlanning | null;
  posture_change?: RuleChange<string> | null; automation_change?: RuleChange<number[]> | null;
}
export interface RuleChange<T> { seq: number; at: string; by: string; reason: string; before: T }

export interface Clock {
  speed: number; paused: boolean; anchor_sim: string; anchor_wall: string; over?: boolean;
}
export interface Pipeline {
  state: string; since?: string | null; oldest_unfinished_s?: number; cause?: string;
}
export interface LogEntry {
  seq: number; time: string; type: string; incident?: string; unit?: string; by?: string;
  cause?: string; id?: string; data?: Record<string, any>;
}

export interface Entities {
  incidents: Incident; units: Unit; assignments: Assignment; proposals: Proposal; tasks: Task;
  closures: Closure; move_ups: MoveUp;
  hospitals: Hospital;
}
export type Kind = keyof Entities;
export type Upsert = { [K in Kind]?: Entities[K][] } & { rules?: Rules };

export interface LiveState {
  ready: boolean; jurisdiction: string; exercise: boolean; seq: number; now: string | null;
  wall: string | null; heardAt: number; clock: Clock | null; pipeline: Pipeline | null;
  incidents: Map<string, Incident>; units: Map<string, Unit>;
  assignments: Map<string, Assignment>; proposals: Map<string, Proposal>;
  tasks: Map<string, Task>; closures: Map<string, Closure>; move_ups: Map<string, MoveUp>;
  hospitals: Map<string, Hospital>; rules: Rules; log: LogEntry[];
  behind: number; unshown: number;
}
export interface Refused {
  type: 'refused'; order: string; code: string; detail: string; incident?: string;
  proposal?: string;
}
export type Frame =
  | { type: 'snapshot'; jurisdiction: string; exercise: boolean; seq: number; now: string;
      wall?: string; clock?: Clock | null; unshown?: number; situation: Upsert }
  | { type: 'delta'; from: number; seq: number; now: string; upsert?: Upsert;
      remove?: Partial<Record<Kind, string[]>>; log?: LogEntry[] }
  | { type: 'heartbeat'; seq: number; now: string; wall?: string; clock?: Clock | null;
      unshown?: number; pipeline?: Pipeline }
  | Refused
  | { type: 'error'; code: number | string; message: string };

export interface Session {
  name: string; role: string; live_url: string; jurisdiction?: string; jurisdictions?: string[];
  drills?: string[]; cells?: string[]; unit?: string; language?: Lang; display_name?: string;
  has_password?: boolean;
}
export interface Facility { id: string; kind: string; lon: number; lat: number; names?: Names;
  name_zh?: string; name_en?: string }
export interface City {
  id: string; names: Names; timezone: string; center: LonLat; zoom: number;
  bounds?: [number, number, number, number]; roads_notice?: Names | null; attribution?: Names;
  jurisdictions: { id: string; exercise: boolean; names?: Names }[];
  categories: Record<string, any>; skills: Record<string, any>; unit_kinds: Record<string, any>;
  facilities?: Facility[];
}
export interface FieldError { field: string; code: string; message: string }
export interface Link {
  status: 'connecting' | 'open' | 'lost' | 'denied'; since: number; nextTryAt: number | null;
}
export interface Row {
  id: string; incident: Incident; group: 'waiting' | 'active' | 'closed';
  decision: '' | 'maybe' | 'triage' | 'confirm' | 'unanswered' | 'overdue' | 'place' | 'short' | 'nobody';
  units: { id: string; state: string }[];
}
