// The field page without a network: its service worker. Keeps the page, its files and the streets,
// asks the network first and answers from what it kept when there is none. Never touches reports,
// sign-in or anything else under /api: the outbox does that. The server fills in the version and
// the files.

const VERSION = '{{version}}';
const SHELL = /** @type {string[]} */ (JSON.parse('{{files}}'));
const CACHE = `gridcommand.field.${VERSION}`;
const PATIENCE_MS = 4000;
const KEPT_DATA = ['/api/roads.geojson'];

const worker = /** @type {any} */ (self);

worker.addEventListener('install', (/** @type {any} */ event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL))
    .then(() => worker.skipWaiting()));
});

worker.addEventListener('activate', (/** @type {any} */ event) => {
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((name) => name.startsWith('gridcommand.field.')
      && name !== CACHE).map((name) => caches.delete(name))))
    .then(() => worker.clients.claim()));
});

worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  const isPage = request.mode === 'navigate' && url.pathname === '/field';
  if (isPage || url.pathname.startsWith('/static/') || KEPT_DATA.includes(url.pathname)) {
    event.respondWith(networkFirst(request, isPage ? '/field' : url.pathname));
  }
});

/**
 * @param {Request} request
 * @param {string} key what it is kept under
 */
async function networkFirst(request, key) {
  const cache = await caches.open(CACHE);
  const fromNetwork = fetch(request).then((answer) => {
    // A redirect to the sign-in page is an answer, and not the page.
    if (answer.ok && !answer.redirected) cache.put(key, answer.clone());
    return answer;
  });
  const kept = await cache.match(key);
  if (!kept) return fromNetwork;
  fromNetwork.catch(() => undefined);
  const late = new Promise((resolve) => { setTimeout(() => resolve(kept), PATIENCE_MS); });
  return Promise.race([fromNetwork.catch(() => kept), late]);
}
