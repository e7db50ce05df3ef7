import type { Vector } from './embeddings.ts';

export type VectorFormat = 'float' | 'base64';

/** The vector as a client wants it; the same object where it already is so. */
export function vectorAs(format: VectorFormat, vector: Vector): Vector {
  switch (format) {
    case 'float':
      return typeof vector === 'string' ? floatsOf(vector) : vector;
    case 'base64':
      return typeof vector === 'string' ? vector : base64Of(vector);
  }
}

const BYTES = 4;

function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * BYTES);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * BYTES);
  return bytes.toString('base64');
}

function floatsOf(base64: string): readonly number[] {
  const bytes = Buffer.from(base64, 'base64');
  return Array.from({ length: Math.floor(bytes.length / BYTES) }, (_, i) => bytes.readFloatLE(i * BYTES));
}
