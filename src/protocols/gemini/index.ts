import type { Codec } from '../codec.ts';
import { collect } from './collect.ts';
import { decodeRequest } from './decode-request.ts';
import { encodeReply, streamEncoder } from './encode-reply.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeError, errorFrames } from './errors.ts';
import { readReply, streamOf } from './reply.ts';
import { layout, patch, readRequest } from './request.ts';
import { decodeReply, streamDecoder } from './stream-decoder.ts';
import { streamReader } from './stream-reader.ts';
import { holdsOthers } from './signature.ts';

/** Gemini's generateContent and streamGenerateContent. */
export const gemini: Codec = {
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
  decodeRequest,
  encodeRequest,
  decodeReply,
  encodeReply,
  streamDecoder,
  streamEncoder,
  holdsOthers,
};
