import type { ProtocolId } from '../protocols/codec.ts';
import { JsonIndex } from '../shared/json-bytes.ts';
import { isObject } from '../shared/json-shape.ts';

/**
 * What the user's config wants of a body, in the words of the upstream's protocol. It comes after all that rotator does
 * by itself, so that what is written there is what goes upstream.
 */
export type BodyEdits = {
  /** In order; a later one sees what an earlier one did. */
  readonly rules: readonly BodyRule[];
  /** What becomes of temperature 0, after the rules. */
  readonly temperatureZero: ZeroRule;
};

export type BodyRule = {
  readonly set: Fields;
  /** Only where the field is absent or null. */
  readonly default: Fields;
  readonly remove: readonly string[];
};

export type ZeroRule = 'keep' | 'remove' | number;

type Fields = Readonly<Record<string, unknown>>;

export type EditedBody = {
  readonly bytes: Uint8Array;
  /** Each as `field set`, `field removed` or `from → to`. */
  readonly changes: readonly string[];
};

const NO_CHANGES: readonly string[] = [];

/** `edits` null: nothing to do. What is no JSON object goes out as it is. */
export function editBody(bytes: Uint8Array, edits: BodyEdits | null, protocol: ProtocolId): EditedBody {
  const unchanged = { bytes, changes: NO_CHANGES };
  if (!edits) return unchanged;
  const index = JsonIndex.of(bytes);
  if (!index) return unchanged;
  const draft = new Draft(index);
  for (const rule of edits.rules) {
    for (const [name, value] of Object.entries(rule.set)) draft.set(name, value);
    for (const [name, value] of Object.entries(rule.default))
      if ((draft.get(name) ?? null) === null) draft.set(name, value);
    for (const name of rule.remove) draft.remove(name);
  }
  if (edits.temperatureZero !== 'keep') replaceZero(draft, edits.temperatureZero, protocol);
  return draft.written();
}

/** A body's top-level fields as they will be, and how each came to be so. */
class Draft {
  readonly #index: JsonIndex;
  readonly #set = new Map<string, unknown>();
  readonly #removed = new Set<string>();
  readonly #changes = new Map<string, string>();

  constructor(index: JsonIndex) {
    this.#index = index;
  }

  get(name: string): unknown {
    if (this.#set.has(name)) return this.#set.get(name);
    return this.#removed.has(name) ? undefined : this.#index.get(name);
  }

  set(name: string, value: unknown, change = `${name} set`): void {
    if (JSON.stringify(this.get(name)) === JSON.stringify(value)) return;
    this.#set.set(name, value);
    this.#removed.delete(name);
    this.#changes.set(name, change);
  }

  remove(name: string, change = `${name} removed`): void {
    this.#set.delete(name);
    // One that a rule had put in and another takes out has never been there.
    if (!this.#index.has(name)) this.#changes.delete(name);
    else {
      this.#removed.add(name);
      this.#changes.set(name, change);
    }
  }

  written(): EditedBody {
    const changes = [...this.#changes.values()];
    if (changes.length === 0) return { bytes: this.#index.bytes, changes };
    return { bytes: this.#index.edit({ set: Object.fromEntries(this.#set), remove: this.#removed }), changes };
  }
}

/** Gemini keeps its settings together, under a name that it takes in two spellings. */
const GEMINI_SETTINGS = ['generationConfig', 'generation_config'] as const;

function replaceZero(draft: Draft, rule: Exclude<ZeroRule, 'keep'>, protocol: ProtocolId): void {
  const change = rule === 'remove' ? 'temperature 0 removed' : `temperature 0 → ${rule}`;
  if (protocol === 'gemini') {
    for (const name of GEMINI_SETTINGS) {
      const settings = draft.get(name);
      if (!isObject(settings) || settings.temperature !== 0) continue;
      const { temperature: _, ...rest } = settings;
      draft.set(name, rule === 'remove' ? rest : { ...settings, temperature: rule }, change);
    }
    return;
  }
  if (draft.get('temperature') !== 0) return;
  if (rule === 'remove') draft.remove('temperature', change);
  else draft.set('temperature', rule, change);
}
