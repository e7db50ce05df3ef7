import manifest from '../package.json' with { type: 'json' };

/** Of this build; also in `User-Agent` and in `server.json`. */
export const version: string = manifest.version;
