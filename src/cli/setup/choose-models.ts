/** What is known of a model that a client might be pointed at. */
export type ModelOption = {
  /** An alias, or `provider/model`. */
  readonly id: string;
  readonly isAlias: boolean;
  /** Null: nobody says. */
  readonly takesTools: boolean | null;
  readonly writesText: boolean | null;
  /** Tokens of prompt and answer together. */
  readonly contextLength: number | null;
};

export type ChosenModels = {
  /** For the work itself. */
  readonly main: string;
  /** For titles, summaries and the like; may be the same. */
  readonly small: string;
  /** All that the client could use, the chosen ones first. */
  readonly all: readonly string[];
  /** Tokens that the main model takes; null: nobody says. Clients guess it by names, and know none of ours. */
  readonly contextLength: number | null;
};

/** Models with another job than talking. */
const OTHER_JOB =
  /embed|tts|whisper|dall-e|imagen|image|moderation|guard|rerank|audio|realtime|transcri|veo|lyria|aqa/i;
const SMALL = /haiku|flash|(?<!ge)mini|nano|lite|small|fast|instant|cheap|quick|[^\d][1-9]b\b/i;
const UNSTEADY = /preview|exp|beta|latest/i;

/** What does well as a coding model, the best kinds first. Kinds, not versions: of one kind the newest is taken. */
const KINDS: readonly RegExp[] = [
  /claude-(?:sonnet|opus)/,
  /gpt-[5-9][\d.]*(?:-codex)?$/,
  /gemini-[\d.]+-pro/,
  /qwen\d*[\d.]*-coder|kimi-k\d|glm-[4-9]|deepseek-(?:v\d|chat)|minimax-m\d/,
  /gpt-oss-120b/,
  /llama-(?:3\.3-70b|4)/,
  /gemini-[\d.]+-flash/,
];

/**
 * A user's own aliases go before everything: that is what they are for. Else the kind that the client was made for, then
 * what does well for most. Null: there is no model that a client could talk to.
 */
export function chooseModels(options: readonly ModelOption[], own: readonly RegExp[]): ChosenModels | null {
  const usable = options.filter(
    ({ id, takesTools, writesText }) => takesTools !== false && writesText !== false && !OTHER_JOB.test(id),
  );
  const aliases = usable.filter(({ isAlias }) => isAlias).map(({ id }) => id);
  const names = usable.filter(({ isAlias }) => !isAlias).map(({ id }) => id);
  const ranked = names.toSorted(byRank([...own, ...KINDS]));
  const main = aliases.find((name) => !SMALL.test(name)) ?? aliases[0] ?? ranked[0];
  if (main === undefined) return null;
  const smallOnes = aliases.length > 0 ? aliases.filter((name) => SMALL.test(name)) : smallOf(main, ranked);
  const small = smallOnes[0] ?? main;
  return {
    main,
    small,
    all: [...new Set([main, small, ...aliases, ...ranked])],
    contextLength: usable.find(({ id }) => id === main)?.contextLength ?? null,
  };
}

function smallOf(main: string, ranked: readonly string[]): readonly string[] {
  const provider = main.slice(0, main.indexOf('/') + 1);
  const kind = /claude|gpt|gemini/.exec(main)?.[0] ?? '';
  const small = ranked.filter((name) => SMALL.test(name));
  return small.toSorted((a, b) => closeness(a) - closeness(b));
  function closeness(name: string): number {
    return (name.startsWith(provider) ? 0 : 2) + (name.includes(kind) ? 0 : 1);
  }
}

const newestFirst = new Intl.Collator('en', { numeric: true });

function byRank(kinds: readonly RegExp[]): (a: string, b: string) => number {
  const rank = (id: string) => {
    const kind = kinds.findIndex((pattern) => pattern.test(id));
    // The demo is for trying things out: whatever else there is goes first.
    return (kind < 0 ? kinds.length : kind) + (id.startsWith('demo/') ? 1000 : 0);
  };
  const steadiness = (id: string) => (UNSTEADY.test(id) ? 1 : 0);
  return (a, b) =>
    rank(a) - rank(b) || steadiness(a) - steadiness(b) || newestFirst.compare(version(b), version(a)) || compare(a, b);
}

/** What tells versions apart: dates are none, and a dated name is no newer than the one without. */
const version = (id: string) => id.slice(id.lastIndexOf('/') + 1).replace(/-?20\d{2}-?\d{2}-?\d{2}/, '');

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
