import type { Command } from 'commander';
import type { Start } from '../context.ts';
import { port } from '../option-values.ts';
import type { ServeOptions } from '../serving.ts';

export function addServe(program: Command, start: Start): void {
  program
    .command('serve')
    .description('run the proxy until SIGINT or SIGTERM')
    .option('--host <host>', 'address to listen on (default: server.host, 127.0.0.1)')
    .option('--port <port>', 'port to listen on, 0 for a free one (default: server.port, 8000)', port)
    .option('--demo', 'add a provider "demo" that needs no key')
    .option('--no-watch', 'do not reload when the config file changes (SIGHUP always does)')
    .addHelpText(
      'after',
      `
The first line on stdout, "rotator listening on URL", is printed once the socket accepts. A signal lets open
requests finish for up to 30 seconds; a second one ends at once.

Examples:
  $ rotator serve
  $ rotator serve --demo --port 0
  $ rotator serve --config ./rotator.yaml --json`,
    )
    .action(async (options: ServeOptions, command: Command) => {
      const { serve } = await import('../serving.ts');
      await serve(start(command), options);
    });
}
