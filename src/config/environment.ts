/** Environment variables, given as an argument wherever they are read. */
export type Env = Readonly<Record<string, string | undefined>>;
