import type { Command } from 'commander';
import { buildProgram } from './program.ts';

/** Every help page as one Markdown document, from the program itself. */
export function commandsDoc(): string {
  const program = buildProgram(() => {
    throw new Error('a help page runs nothing');
  });
  const pages = [...visibleCommands(program, '')].map(
    ({ name, command }) => `## ${name}\n\n\`\`\`\n${pageOf(command)}\n\`\`\``,
  );
  return `# Commands\n\nGenerated from the program: \`npm run generate\` writes it anew.\n\n${pages.join('\n\n')}\n`;
}

function* visibleCommands(command: Command, path: string): Generator<{ name: string; command: Command }> {
  const name = path === '' ? command.name() : `${path} ${command.name()}`;
  yield { name, command };
  for (const child of command.createHelp().visibleCommands(command))
    if (child.name() !== 'help') yield* visibleCommands(child, name);
}

function pageOf(command: Command): string {
  let page = '';
  command.configureOutput({
    writeOut: (text) => {
      page += text;
    },
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return page.trimEnd();
}
