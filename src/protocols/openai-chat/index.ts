import type { Codec } from '../codec.ts';
import { collect } from './collect.ts';
import { decodeReply } from './decode-reply.ts';
import { decodeRequest } from './decode-request.ts';
import { encodeReply } from './encode-reply.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeError, errorFrames } from './errors.ts';
import { readReply, streamOf } from './reply.ts';
import { layout, patch, readRequest } from './request.ts';
import { streamDecoder } from './stream-decoder.ts';
import { streamEncoder } from './stream-encoder.ts';
import { streamReader } from './stream.ts';

/** OpenAI chat completions. */
export const openAiChat: Codec = {
  id: 'openai-chat',
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
  endFrame: () => 'data: [DONE]\n\n',
  decodeRequest,
  encodeRequest,
  decodeReply,
  encodeReply,
  streamDecoder,
  streamEncoder,
};
