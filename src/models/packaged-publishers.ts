import packaged from './packaged-publishers.json' with { type: 'json' };
import type { PublisherTable } from './model-identity.ts';

let byName: ReadonlyMap<string, string> | null = null;

/** A snapshot that `scripts/generate-publishers.ts` writes; turned into a map when it is first asked. */
export const packagedPublishers: PublisherTable = {
  publisherOf(name) {
    byName ??= new Map(
      Object.entries(packaged.publishers).flatMap(([publisher, names]) =>
        names.map((model) => [model, publisher] as const),
      ),
    );
    return byName.get(name) ?? null;
  },
};
