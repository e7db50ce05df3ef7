/** A model as `GET /v1/models` shows it, whatever the vendor called its fields. */
export type ModelCard = {
  /** As a client would write it: an alias, or `provider/model`. */
  readonly id: string;
  /** Seconds since the epoch; 0 where nobody knows. */
  readonly created: number;
  /** The provider, which is who answers for the model here. */
  readonly ownedBy: string;
  /** Tokens of prompt and answer together. */
  readonly contextLength?: number;
  readonly maxOutputTokens?: number;
};

/** What the card of one provider's model is made of. */
export type CardSource = {
  /** Name without the provider. */
  readonly id: string;
  readonly created?: number;
  readonly contextLength?: number;
  readonly maxOutputTokens?: number;
};

export function modelCard(provider: string, model: CardSource): ModelCard {
  return {
    id: `${provider}/${model.id}`,
    created: model.created ?? 0,
    ownedBy: provider,
    ...(model.contextLength !== undefined && { contextLength: model.contextLength }),
    ...(model.maxOutputTokens !== undefined && { maxOutputTokens: model.maxOutputTokens }),
  };
}
