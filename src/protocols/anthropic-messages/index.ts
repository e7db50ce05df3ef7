import type { WireCodec } from '../codec.ts';
import { collect } from './collect.ts';
import { encodeError, errorFrames } from './errors.ts';
import { frame } from './frame.ts';
import { readReply } from './reply.ts';
import { layout, patch, readRequest } from './request.ts';
import { endFrame, streamOf } from './stream-of.ts';
import { streamReader } from './stream-reader.ts';

/** Anthropic's Messages. */
export const anthropicMessages: WireCodec = {
  id: 'anthropic-messages',
  layout,
  readRequest,
  patch,
  streamReader,
  readReply,
  collect,
  streamOf,
  encodeError,
  errorFrames,
  // A ping in front of `message_start` is an event out of order to strict clients; a comment never is.
  heartbeat: { early: ': rotator\n\n', running: frame({ type: 'ping' }) },
  endFrame,
};
