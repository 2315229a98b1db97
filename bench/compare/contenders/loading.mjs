/** Loads once and calls twice; a process of its own for each run, so that all is paid for again. */
export async function loadAndCall(load, call) {
  const started = performance.now();
  const model = await load();
  const loaded = performance.now();
  await call(model);
  const first = performance.now();
  await call(model);
  const second = performance.now();
  return { parts: { load: loaded - started, first: first - loaded, second: second - first } };
}
