import type { FrameFacts } from './codec.ts';

/** What a frame says that brings nothing; what another says differs from it in a field or two. */
export const NOTHING: FrameFacts = {
  isContent: false,
  isEnd: false,
  isUsageOnly: false,
  error: undefined,
  json: undefined,
};

export const NOT_JSON: FrameFacts = { ...NOTHING, error: { message: 'a frame of the stream is not JSON' } };
