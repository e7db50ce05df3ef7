import type { Route } from './route.ts';

export type Match =
  | { readonly kind: 'route'; readonly route: Route; readonly id: string }
  /** The path exists, the method does not; `allow` is the value of the Allow header. */
  | { readonly kind: 'wrong-method'; readonly allow: string }
  | { readonly kind: 'unknown' };

type Pattern = { readonly prefix: string; readonly suffix: string; readonly route: Route };

const HOLE = '{id}';
const UNKNOWN: Match = { kind: 'unknown' };

/** Paths are compared as they were sent: an encoded letter, a doubled slash or a slash at the end is another path. */
export function createMatcher(routes: readonly Route[]): (method: string, path: string) => Match {
  const fixed = new Map<string, Route[]>();
  const patterns: Pattern[] = [];
  for (const route of routes) {
    const hole = route.path.indexOf(HOLE);
    if (hole < 0) fixed.set(route.path, [...(fixed.get(route.path) ?? []), route]);
    else {
      const suffix = route.path.slice(hole + HOLE.length);
      patterns.push({ prefix: route.path.slice(0, hole), suffix, route });
    }
  }
  return (method, path) => {
    const here = fixed.get(path);
    if (here) return choose(here, method, '');
    const fitting = patterns.filter(
      ({ prefix, suffix }) =>
        path.startsWith(prefix) && path.endsWith(suffix) && path.length > prefix.length + suffix.length,
    );
    const first = fitting[0];
    if (!first) return UNKNOWN;
    const id = decoded(path.slice(first.prefix.length, path.length - first.suffix.length));
    return choose(
      fitting.map(({ route }) => route),
      method,
      id,
    );
  };
}

function choose(routes: readonly Route[], method: string, id: string): Match {
  // Whoever answers GET answers HEAD; the body is dropped at the door.
  const wanted = method === 'HEAD' ? 'GET' : method;
  const route = routes.find((candidate) => candidate.method === wanted);
  if (route) return { kind: 'route', route, id };
  const allow = routes.map((candidate) => (candidate.method === 'GET' ? 'GET, HEAD' : candidate.method));
  return { kind: 'wrong-method', allow: allow.join(', ') };
}

/** `%2F` and `/` name the same model. What is not valid percent-encoding stays as it came and will match no name. */
function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
