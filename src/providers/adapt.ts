import type { JsonIndex } from '../shared/json-bytes.ts';
import { isObject, parseJson } from '../shared/json-shape.ts';
import { holds } from '../shared/byte-search.ts';
import type { AdaptContext, BodyRules, FieldEdit, JsonObject, Provider } from './provider.ts';

/** Brings requests and replies into and out of a vendor's dialect. What needs no change costs no parse. */

export type AdaptedRequest = {
  readonly bytes: Uint8Array;
  /** What was changed besides the fields of `set`, each as `from → to` or `field removed`; empty: nothing. */
  readonly changes: readonly string[];
};

type Fields = Readonly<Record<string, unknown>>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NO_RULES: BodyRules = {};
const NO_CHANGES: readonly string[] = [];
const EMPTY_LIST = /^\[\s*\]$/;
// Without tools these are errors of their own.
const NEEDS_TOOLS: readonly string[] = ['tool_choice', 'parallel_tool_calls'];

/**
 * The body for one vendor. `set` holds what the gateway decided (the upstream's model id, `stream_options`) and wins
 * over the client and the vendor's rules alike. All changes are one edit of the bytes: a field that nobody touches goes
 * out byte for byte, and only fields that a rule looks into are parsed. Never throws: what is no JSON inside goes out as
 * it is, for the upstream to judge.
 */
export function adaptRequest(provider: Provider, index: JsonIndex, context: AdaptContext, set: Fields): AdaptedRequest {
  const { bodyRules } = provider;
  const rules = (typeof bodyRules === 'function' ? bodyRules(context) : bodyRules) ?? NO_RULES;
  const own = provider.editFields?.(index, context);
  const wanted = withOwnName(set, provider, context);
  // Most providers take a request as it is: no field of it needs a look.
  if (rules === NO_RULES && !own) return { bytes: index.edit({ set: wanted }), changes: NO_CHANGES };
  const edit = planEdit(index, rules, own, wanted);
  const bytes = edit.isNeeded ? index.edit(edit) : index.bytes;
  return { bytes, changes: edit.changes };
}

/** Gemini's protocol has the model in its URLs alone. */
function withOwnName(set: Fields, { callsModel }: Provider, { model, protocol }: AdaptContext): Fields {
  return callsModel && protocol !== 'gemini' ? { ...set, model: callsModel(model) } : set;
}

function planEdit(index: JsonIndex, rules: BodyRules, own: FieldEdit | undefined, set: Fields) {
  const fields = own?.set ? { ...own.set, ...set } : set;
  const remove = new Set<string>();
  const rename: Record<string, string> = {};
  const changes: string[] = [...(own?.changes ?? [])];
  const lacksTools = rules.dropsEmpty === true && isEmptyList(index.slice('tools')) && !Object.hasOwn(fields, 'tools');
  const seen = new Set<string>();
  for (const { key } of index.entries) {
    if (seen.has(key) || Object.hasOwn(fields, key)) continue;
    seen.add(key);
    if (own?.remove?.includes(key)) {
      remove.add(key);
      continue;
    }
    // A null or an empty list says nothing; leaving it out is no change of meaning and is not reported.
    if (
      rules.dropsEmpty &&
      (isNull(index.slice(key)) || (lacksTools && (key === 'tools' || NEEDS_TOOLS.includes(key))))
    ) {
      remove.add(key);
      continue;
    }
    if (rules.drop?.includes(key)) {
      remove.add(key);
      changes.push(`${key} removed`);
      continue;
    }
    const name = rules.rename && Object.hasOwn(rules.rename, key) ? rules.rename[key] : undefined;
    const isTaken = name !== undefined && (Object.hasOwn(fields, name) || isGiven(index.slice(name)));
    if (rules.allow && !rules.allow.includes(name ?? key)) {
      remove.add(key);
      changes.push(`${key} removed`);
    } else if (isTaken) {
      // The client sent both; the one that the vendor knows is taken.
      remove.add(key);
      changes.push(`${key} removed`);
    } else if (name !== undefined) {
      rename[key] = name;
      changes.push(`${key} → ${name}`);
    }
  }
  const isNeeded = remove.size > 0 || Object.keys(rename).length > 0 || Object.keys(fields).length > 0;
  return { set: fields, remove, rename, changes, isNeeded };
}

/** A whole reply, brought into the common dialect; the same bytes where the vendor already speaks it. */
export function adaptReplyBytes(
  provider: Provider,
  bytes: Uint8Array,
  context: AdaptContext,
): { readonly bytes: Uint8Array; readonly isChanged: boolean } {
  const unchanged = { bytes, isChanged: false };
  if (!provider.adaptReply) return unchanged;
  if (provider.replyMarks && !provider.replyMarks.some((mark) => holds(bytes, mark))) return unchanged;
  const reply = parseObject(bytes);
  if (!reply || !provider.adaptReply(reply, context)) return unchanged;
  return { bytes: encoder.encode(JSON.stringify(reply)), isChanged: true };
}

/** For one stream: changes an event's JSON in place, true when it did. Null: every frame passes as it is. */
export function eventAdapter(provider: Provider, context: AdaptContext): ((json: JsonObject) => boolean) | null {
  return provider.adaptEvents?.(context) ?? null;
}

const isGiven = (value: Uint8Array | undefined): boolean => value !== undefined && !isNull(value);

function isNull(value: Uint8Array | undefined): boolean {
  return value?.length === 4 && value[0] === 110 && value[1] === 117 && value[2] === 108 && value[3] === 108;
}

function isEmptyList(value: Uint8Array | undefined): boolean {
  return value?.[0] === 91 && value.length < 64 && EMPTY_LIST.test(decoder.decode(value));
}

function parseObject(bytes: Uint8Array): JsonObject | null {
  const value = parseJson(decoder.decode(bytes));
  return isObject(value) ? value : null;
}
