/** How this very program is started again: the file to run, and what comes before its own words. */
export function selfCommand(argv: readonly string[]): { readonly command: string; readonly lead: readonly string[] } {
  // In a compiled binary argv[1] is a path inside it; run from source it is the script.
  const isCompiled = /^(\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/i.test(argv[1] ?? '');
  return { command: process.execPath, lead: isCompiled ? [] : [...process.execArgv, ...argv.slice(1, 2)] };
}
