/** `provider/model` as a rule may write it: `-` and `_` are the same in provider names. */
export function targetNames(provider: string, asked: string): readonly string[] {
  // A rule must not be passed by a space that the upstream would not notice.
  const model = asked.trim();
  const written = `${provider}/${model}`;
  if (!/[-_]/.test(provider)) return [written];
  return [written, `${provider.replaceAll('-', '_')}/${model}`, `${provider.replaceAll('_', '-')}/${model}`];
}
