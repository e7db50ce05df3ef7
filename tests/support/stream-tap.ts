/** Reads a streamed response as it comes, so that a test can act between two frames. */
export class StreamTap {
  readonly #reader: Pick<ReadableStreamDefaultReader<Uint8Array>, 'read' | 'cancel'>;
  readonly #decoder = new TextDecoder();
  /** Everything received so far. */
  text = '';

  constructor(response: Response) {
    if (!response.body) throw new Error('the response has no body');
    this.#reader = response.body.getReader();
  }

  /** Reads on until the text satisfies the test. Throws when the stream ends first. */
  async until(isEnough: string | ((text: string) => boolean)): Promise<string> {
    const test = typeof isEnough === 'string' ? (text: string) => text.includes(isEnough) : isEnough;
    while (!test(this.text)) {
      if (!(await this.#more())) throw new Error(`the stream ended first: ${this.text}`);
    }
    return this.text;
  }

  /** Reads to the end. */
  async rest(): Promise<string> {
    while (await this.#more());
    return this.text;
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#reader.read();
    if (value) this.text += this.#decoder.decode(value, { stream: true });
    return !done;
  }
}

/** The `data:` payloads of a stream, in order; comments left out. */
export function dataOf(text: string): string[] {
  return text
    .split(/\r\n\r\n|\n\n|\r\r/)
    .map((block) =>
      block
        .split(/\r\n|\n|\r/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).replace(/^ /, ''))
        .join('\n'),
    )
    .filter((data) => data !== '');
}

/** The text a chat stream carries, joined. */
export function textOf(stream: string): string {
  let text = '';
  for (const data of dataOf(stream)) {
    if (data === '[DONE]') continue;
    const choices: unknown = JSON.parse(data).choices;
    if (!Array.isArray(choices)) continue;
    for (const choice of choices) if (typeof choice?.delta?.content === 'string') text += choice.delta.content;
  }
  return text;
}
