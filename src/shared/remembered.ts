/**
 * The same answers as `make` gives, each made once: for what is asked of the same few things again and again. Others come
 * too, as clients write what they like: beyond `most` it begins anew, so that they do not fill the memory.
 */
export function remembered<Key, Value extends {} | null>(most: number, make: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const value = make(key);
    if (known.size >= most) known.clear();
    known.set(key, value);
    return value;
  };
}
