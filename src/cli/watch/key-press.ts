/** What a person pressed. */
export type KeyPress =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind:
        | 'up'
        | 'down'
        | 'page-up'
        | 'page-down'
        | 'home'
        | 'end'
        | 'enter'
        | 'escape'
        | 'backspace'
        | 'interrupt';
    };

type Named = Exclude<KeyPress, { kind: 'text' }>['kind'];

/** What terminals send for keys without a letter (xterm's sequences, and those of the Linux console). */
const SEQUENCES: Readonly<Record<string, Named>> = {
  '\u001b[A': 'up',
  '\u001bOA': 'up',
  '\u001b[B': 'down',
  '\u001bOB': 'down',
  '\u001b[5~': 'page-up',
  '\u001b[6~': 'page-down',
  '\u001b[H': 'home',
  '\u001bOH': 'home',
  '\u001b[1~': 'home',
  '\u001b[F': 'end',
  '\u001bOF': 'end',
  '\u001b[4~': 'end',
  '\r': 'enter',
  '\n': 'enter',
  '\u001b': 'escape',
  '\u007f': 'backspace',
  '\b': 'backspace',
  '\u0003': 'interrupt',
};

// A sequence, or one character; a lone escape is the key itself.
const PIECES = /\u001b(?:\[[\d;]*[A-Za-z~]|O[A-Za-z])|[^]/gu;

/** The keys in what a terminal in raw mode sent. Sequences that mean nothing here are dropped. */
export function keyPresses(sent: string): readonly KeyPress[] {
  return (sent.match(PIECES) ?? []).flatMap((piece): readonly KeyPress[] => {
    const kind = Object.hasOwn(SEQUENCES, piece) ? SEQUENCES[piece] : undefined;
    if (kind) return [{ kind }];
    return /^[^\p{Cc}]$/u.test(piece) ? [{ kind: 'text', text: piece }] : [];
  });
}
