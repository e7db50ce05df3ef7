import type { Profile } from '../profile.ts';
import { antigravity } from './antigravity.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import { copilot } from './copilot.ts';
import { geminiCli } from './gemini-cli.ts';
import { iflow } from './iflow.ts';
import { kimi } from './kimi.ts';
import { qwenCode } from './qwen-code.ts';
import { xai } from './xai.ts';

/** Every service that can be logged in to. A new one is a file and a line. */
export const profiles: readonly Profile[] = [
  codex,
  geminiCli,
  kimi,
  xai,
  antigravity,
  claude,
  copilot,
  qwenCode,
  iflow,
];

const byName = new Map<string, Profile>(
  profiles.flatMap((profile) => [profile.id, ...(profile.names ?? [])].map((name) => [name, profile] as const)),
);

/** Every name under which a service is known. */
export const profileNames: readonly string[] = [...byName.keys()];

/** By id or second name, however it is written. */
export const findProfile = (name: string): Profile | undefined =>
  byName.get(name.trim().toLowerCase().replaceAll('-', '_'));
