import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where the files of requests are: `<state>/logs/<day>/<id>`, days in UTC. */

export const transcriptsDirectory = (stateDir: string) => join(stateDir, 'logs');

export const dayName = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** An `x-request-id` may be chosen by the client, and is then a name that is safe in a path by its own rule. */
export const transcriptPath = (stateDir: string, id: string, at: number): string =>
  join(transcriptsDirectory(stateDir), dayName(at), safeName(id));

const safeName = (id: string): string => id.replace(/[^\w-]/g, '_').slice(0, 80) || '_';

/** Null: there are none, or no more. */
export function findTranscript(stateDir: string, id: string, at: number): string | null {
  const path = transcriptPath(stateDir, id, at);
  return existsSync(path) ? path : null;
}
