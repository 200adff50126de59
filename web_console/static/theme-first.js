// A classic script before the modules: the theme is set before the first paint, so nothing flashes.
// Not for changing it later (lib/prefs.js does). A commander's page is dark unless told otherwise.
(() => {
  const root = document.documentElement;
  let theme = null;
  try {
    theme = localStorage.getItem('gridcommand.theme');
  } catch {
    // Storage may be forbidden; the default is good then.
  }
  if (theme !== 'dark' && theme !== 'light') {
    const light = matchMedia('(prefers-color-scheme: light)').matches;
    theme = root.dataset.page !== 'console' && light ? 'light' : 'dark';
  }
  root.dataset.theme = theme;
})();
