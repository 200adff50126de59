// Requests to our own backend. Errors come as application/problem+json and leave as ApiError,
// field by field. Not for retrying: who calls knows whether again is right.

import { prefs } from './prefs.js';
import { t } from './i18n.js';
import { forgetSide } from './side.js';

/** A request that wasn't answered with success. `status` 0: no answer at all. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {import('../types.js').FieldError[]} errors
   * @param {number | null} retryAfterS
   */
  constructor(status, message, errors = [], retryAfterS = null) {
    super(message);
    this.status = status;
    this.errors = errors;
    this.retryAfterS = retryAfterS;
  }

  /** Whether the same request may succeed later without a change. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] an object goes as JSON, FormData as multipart
 * @param {{timeoutMs?: number}} [options]
 * @returns {Promise<any>}
 */
export async function request(method, path, body, { timeoutMs = 15000 } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json', 'Accept-Language': prefs.get().lang };
  /** @type {BodyInit | undefined} */
  let payload;
  if (body instanceof FormData) payload = body;
  else if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
    payload = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, {
      method, headers, body: payload, credentials: 'same-origin',
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch {
    throw new ApiError(0, t('error.unreachable'));
  }
  const text = await response.text();
  const data = parse(text);
  if (!response.ok) {
    const after = Number(response.headers.get('Retry-After'));
    throw new ApiError(
      response.status,
      data?.detail || data?.title || t('error.status', { status: response.status }),
      Array.isArray(data?.errors) ? data.errors : [],
      Number.isFinite(after) && after > 0 ? after : null,
    );
  }
  return data;
}

/** @param {string} text */
function parse(text) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {string} path */
export const get = (path) => request('GET', path);
/**
 * @param {string} path
 * @param {unknown} [body]
 */
export const post = (path, body = {}) => request('POST', path, body);

/**
 * The signed-in person; goes to the sign-in page when there is none.
 * @returns {Promise<import('../types.js').Session>}
 */
export async function session() {
  try {
    return await get('/api/session');
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) toSignIn();
    throw error;
  }
}

export function toSignIn() {
  const back = encodeURIComponent(location.pathname);
  location.assign(`/signin?next=${back}`);
}

export async function signOut() {
  try {
    await request('DELETE', '/api/session');
  } finally {
    forgetSide();
    location.assign('/signin');
  }
}
