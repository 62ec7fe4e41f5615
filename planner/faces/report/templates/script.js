(() => {
  const key = 'spillway-theme';
  const radios = [...document.querySelectorAll('input[name="theme"]')];
  const stored = () => { try { return localStorage.getItem(key); } catch { return null; } };
  const store = (value) => { try { localStorage.setItem(key, value); } catch { /* the page works without it */ } };
  for (const radio of radios) {
    if (radio.value === stored()) radio.checked = true;
    radio.addEventListener('change', () => store(radio.value));
  }
  let closed = [];
  addEventListener('beforeprint', () => {
    closed = [...document.querySelectorAll('details:not([open])')];
    for (const each of closed) each.open = true;
  });
  addEventListener('afterprint', () => { for (const each of closed) each.open = false; });
})();
