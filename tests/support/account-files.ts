import { mkdirSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HOUR = 3_600_000;

/** A state directory whose `oauth` holds accounts as their files. */
export class AccountFiles implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'rotator-accounts-'));

  /** Writes one, good for an hour unless `fields` say otherwise. Its token is `token-ID`. */
  put(id: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const provider = id.replace(/-\d+$/, '');
    mkdirSync(join(this.path, 'oauth'), { recursive: true, mode: 0o700 });
    const account = {
      type: provider,
      access_token: `token-${id}`,
      refresh_token: `refresh-${id}`,
      token_type: 'Bearer',
      expiry_date: Date.now() + HOUR,
      email: `${id}@people.test`,
      ...fields,
    };
    writeFileSync(this.#file(id), JSON.stringify(account), { mode: 0o600 });
  }

  read(id: string): Record<string, unknown> {
    return JSON.parse(readFileSync(this.#file(id), 'utf8'));
  }

  remove(id: string): void {
    unlinkSync(this.#file(id));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  readonly #file = (id: string) => join(this.path, 'oauth', `${id}.json`);
}
