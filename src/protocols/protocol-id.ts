/** The wire formats, as the config and the reports name them. */
export type ProtocolId = 'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'gemini';
