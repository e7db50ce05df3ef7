import type { Codec } from '../codec.ts';
import { collect } from './collect.ts';
import { encodeError, errorFrames } from './errors.ts';
import { readReply, streamOf } from './reply.ts';
import { readRequest } from './request.ts';
import { streamReader } from './stream.ts';

/** OpenAI chat completions. */
export const openAiChat: Codec = {
  id: 'openai-chat',
  readRequest,
  streamReader,
  readReply,
  collect,
  streamOf,
  encodeError,
  errorFrames,
  heartbeat: ': rotator\n\n',
  endFrame: 'data: [DONE]\n\n',
};
