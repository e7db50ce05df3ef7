import type { WireCodec } from '../codec.ts';
import { collect } from './collect.ts';
import { encodeError, errorFrames } from './errors.ts';
import { readReply, streamOf } from './reply.ts';
import { layout, patch, readRequest } from './request.ts';
import { streamReader } from './stream-reader.ts';

/** Gemini's generateContent and streamGenerateContent. */
export const gemini: WireCodec = {
  id: 'gemini',
  layout,
  readRequest,
  patch,
  streamReader,
  readReply,
  collect,
  streamOf,
  encodeError,
  errorFrames,
  heartbeat: { early: ': rotator\n\n', running: ': rotator\n\n' },
  endFrame: () => '',
};
