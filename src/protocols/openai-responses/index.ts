import type { Codec } from '../codec.ts';
import { collect } from './collect.ts';
import { decodeReply } from './decode-reply.ts';
import { decodeRequest } from './decode-request.ts';
import { encodeReply } from './encode-reply.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeError, errorFrames } from './errors.ts';
import { readReply } from './reply.ts';
import { layout, patch, readRequest } from './request.ts';
import { streamOf } from './stream-of.ts';
import { streamDecoder } from './stream-decoder.ts';
import { streamEncoder } from './stream-encoder.ts';
import { streamReader } from './stream-reader.ts';
import { holdsOthers } from './unsigned.ts';

/** OpenAI Responses. */
export const openAiResponses: Codec = {
  id: 'openai-responses',
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
  // A stream without its last event is no answer; nothing can be added that would make it one.
  endFrame: () => '',
  decodeRequest,
  encodeRequest,
  decodeReply,
  encodeReply,
  streamDecoder,
  streamEncoder,
  holdsOthers,
};
