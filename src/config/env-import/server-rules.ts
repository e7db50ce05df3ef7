/** The server itself and what it keeps. */
import { add, listOf, readNumber, type Rule, set, skip } from './outcome.ts';

export const serverRules: readonly Rule[] = [
  {
    pattern: /^CORS_ALLOW_ORIGINS$/,
    translate: ({ value }) =>
      listOf(value).map((origin) =>
        origin === '*' ? skip('every origin is too many; name them in server.cors') : add(['server', 'cors'], origin),
      ),
  },
  {
    pattern: /^USAGE_RETENTION_DAYS$/,
    translate: ({ value }) => {
      const days = readNumber(value);
      return [days === null ? skip('expected a number of days') : set(['storage', 'retention'], `${days}d`)];
    },
  },
];
