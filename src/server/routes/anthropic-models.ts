import type { ModelCard } from '../../models/card.ts';

/** Model lists as Anthropic's clients read them. */

const MAX_PAGE = 1000;
const PAGE = 20;

/** One page: `limit` (20 unless said, at most 1,000), `after_id` and `before_id` as in Anthropic's own list. */
export function anthropicPage(cards: readonly ModelCard[], query: string): object {
  const wanted = new URLSearchParams(query);
  const limit = Math.min(MAX_PAGE, Math.max(1, Number(wanted.get('limit')) || PAGE));
  const placeOf = (name: string) => cards.findIndex(({ id }) => id === wanted.get(name));
  const before = placeOf('before_id');
  const start = before >= 0 ? Math.max(0, before - limit) : placeOf('after_id') + 1;
  const end = before >= 0 ? before : start + limit;
  const page = cards.slice(start, end);
  return {
    data: page.map(anthropicModel),
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    has_more: before >= 0 ? start > 0 : end < cards.length,
  };
}

export function anthropicModel(card: ModelCard): object {
  return {
    type: 'model',
    id: card.id,
    display_name: card.id,
    created_at: new Date(card.created * 1000).toISOString(),
    ...(card.contextLength !== undefined && { max_input_tokens: card.contextLength }),
    ...(card.maxOutputTokens !== undefined && { max_tokens: card.maxOutputTokens }),
  };
}
