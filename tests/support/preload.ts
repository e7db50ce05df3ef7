// Every test run starts without the keys, proxies and places of the person who runs it.
for (const name of Object.keys(process.env)) {
  if (/_API_KEY(_\d+)?$|_API_BASE$|^ROTATOR_|^(https?|all|no)_proxy$/i.test(name)) delete process.env[name];
}
