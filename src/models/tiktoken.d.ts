/** Imported with `type: 'file'`: the place of a tokenizer's table, on disk or in the binary. */
declare module '*.tiktoken' {
  const path: string;
  export default path;
}
