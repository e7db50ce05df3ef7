import type { Codec } from '../codec.ts';
import { collect } from './collect.ts';
import { decodeRequest } from './decode-request.ts';
import { encodeReply, streamEncoder } from './encode-reply.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeError, errorFrames } from './errors.ts';
import { frame } from './frame.ts';
import { readReply } from './reply.ts';
import { layout, patch, readRequest } from './request.ts';
import { decodeReply, streamDecoder } from './stream-decoder.ts';
import { endFrame, streamOf } from './stream-of.ts';
import { streamReader } from './stream-reader.ts';
import { holdsOthers } from './unsigned.ts';

/** Anthropic's Messages. */
export const anthropicMessages: Codec = {
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
  decodeRequest,
  encodeRequest,
  decodeReply,
  encodeReply,
  streamDecoder,
  streamEncoder,
  holdsOthers,
};
