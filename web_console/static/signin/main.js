// Signing in: with name and password on /signin, or with a one-time link on /s/{token}. The link is
// redeemed by a POST from here, so that a preview that only fetches the page doesn't use it up.

import { html, render } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { ApiError, post } from '../lib/http.js';
import { otherLang, t } from '../lib/i18n.js';
import { setLang, usePrefs } from '../lib/prefs.js';
import { forgetSide } from '../lib/side.js';

/** Where to go afterwards: only a path of our own. */
function onward() {
  const next = new URLSearchParams(location.search).get('next') ?? '/';
  return /^\/(?![/\\])/.test(next) && !next.startsWith('/signin') ? next : '/';
}

function App() {
  const { lang } = usePrefs();
  document.title = t('page.signin');
  const token = /^\/s\/([^/]+)/.exec(location.pathname)?.[1];
  return html`<main class="plain">
    <header><img src="/static/icon.svg" alt="" width="40" height="40" />
      <div><h1>Gridcommand</h1><p class="faint">${t('signin.lead')}</p></div>
      <button type="button" class="iconbutton text" aria-label=${`${otherLang() === 'zh' ? '中' : 'EN'} · ${t('top.language')}`}
        onClick=${() => setLang(otherLang())}>${lang === 'zh' ? 'EN' : '中'}</button></header>
    ${token ? html`<${Link} token=${decodeURIComponent(token)} />` : html`<${Form} />`}
  </main>`;
}

function Form() {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError('');
    try {
      await post('/api/session', { name: name.trim(), password });
      location.assign(onward());
    } catch (problem) {
      setBusy(false);
      setError(problem instanceof ApiError ? (problem.status === 401 ? t('signin.wrong')
        : problem.errors[0]?.message ?? problem.message) : String(problem));
    }
  };
  return html`<form class="card" onSubmit=${send}>
    <h2>${t('signin.title')}</h2>
    <label class="field"><span>${t('signin.name')}</span><input type="text" name="username"
      autocomplete="username" autocapitalize="none" spellcheck=${false} required autofocus value=${name}
      onInput=${(/** @type {any} */ e) => setName(e.currentTarget.value)} /></label>
    <label class="field"><span>${t('signin.password')}</span><input type="password" name="password"
      autocomplete="current-password" required value=${password}
      onInput=${(/** @type {any} */ e) => setPassword(e.currentTarget.value)} /></label>
    <p class="wrong" role="alert">${error}</p>
    <button type="submit" class="button primary wide" disabled=${busy}>
      ${t(busy ? 'signin.busy' : 'signin.action')}</button>
    <p class="faint">${t('signin.hint')}</p>
  </form>`;
}

/** @param {{token: string}} props */
function Link({ token }) {
  const [error, setError] = useState('');
  const [attempt, setAttempt] = useState(0);
  const [again, setAgain] = useState(false);
  useEffect(() => {
    post('/api/session/link', { token }).then(() => {
      forgetSide();
      location.replace('/');
    }).catch((problem) => {
      const passing = problem instanceof ApiError && problem.passing;
      setAgain(passing);
      setError(passing ? problem.message : t('signin.link_bad'));
    });
  }, [attempt]);
  return html`<div class="card">
    <h2>${t('signin.link_title')}</h2>
    ${error ? html`<p class="wrong" role="alert">${error}</p>
      ${again && html`<button type="button" class="button wide" onClick=${() => {
        setError('');
        setAttempt(attempt + 1);
      }}>${t('again')}</button>`}
      <a class="button primary wide" href="/signin">${t('signin.title')}</a>`
      : html`<p role="status">${t('signin.link_wait')}</p>`}
  </div>`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById('app')));
