import { version } from './version.ts';

// Answered before anything is loaded: tools ask for it often, and it must be quick.
if (process.argv.length === 3 && (process.argv[2] === '--version' || process.argv[2] === '-V')) {
  process.stdout.write(`${version}\n`);
} else {
  const { raiseConnectionLimits } = await import('./raise-connection-limits.ts');
  const childCode = await raiseConnectionLimits(process.argv);
  if (childCode !== null) process.exit(childCode);
  const [{ run }, { processIo }] = await Promise.all([import('./cli/program.ts'), import('./cli/io.ts')]);
  const code = await run(process.argv.slice(2), processIo());
  // A pipe takes its time; what was written must arrive before the process ends. A terminal has it at once, and one that
  // was closed never answers.
  const pipes = [process.stdout, process.stderr].filter((stream) => !stream.isTTY);
  await Promise.all(pipes.map((stream) => new Promise((done) => stream.write('', done))));
  process.exit(code);
}
