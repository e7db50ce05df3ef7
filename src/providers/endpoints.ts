/** What vendors offer besides chats and embeddings, passed through as it is. Paths under the base URL, as OpenAI has them. */
export const ENDPOINT_PATHS = {
  completions: '/completions',
  'image-generations': '/images/generations',
  'image-edits': '/images/edits',
  'image-variations': '/images/variations',
  speech: '/audio/speech',
  transcriptions: '/audio/transcriptions',
  translations: '/audio/translations',
  rerank: '/rerank',
  moderations: '/moderations',
} as const;

export type EndpointName = keyof typeof ENDPOINT_PATHS;

/** Which of them a vendor has, and where; `{model}` in a path stands for the model. */
export type Endpoints = Readonly<Partial<Record<EndpointName, string>>>;

/** These, each at its usual path. */
export function endpointsAt<Name extends EndpointName>(...names: readonly Name[]): Pick<typeof ENDPOINT_PATHS, Name> {
  const chosen = Object.entries(ENDPOINT_PATHS).filter(([name]) => names.some((wanted) => wanted === name));
  return Object.fromEntries(chosen) as Pick<typeof ENDPOINT_PATHS, Name>; // Exactly those that were asked for.
}
