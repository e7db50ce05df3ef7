import { join } from 'node:path';

const directory = join(import.meta.dir, '../../fixtures/anthropic-messages');

export const fixture = (name: string): Promise<string> => Bun.file(join(directory, name)).text();
