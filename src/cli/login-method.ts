/** How the person's consent comes back to this program. */
export type LoginMethod =
  /** To a port of this machine; `canPaste`: or by hand, whichever is first. */
  | { readonly kind: 'loopback'; readonly opensBrowser: boolean; readonly canPaste: boolean }
  /** By hand alone. */
  | { readonly kind: 'paste' }
  /** The address is printed, and another command finishes. */
  | { readonly kind: 'hand-over' }
  /** By a code that is typed in elsewhere. */
  | { readonly kind: 'device'; readonly opensBrowser: boolean };

export type LoginSurroundings = {
  readonly hasPage: boolean;
  readonly hasDeviceCode: boolean;
  /** There is a browser here, and nobody asked not to open it. */
  readonly mayOpenBrowser: boolean;
  readonly wantsPaste: boolean;
  readonly isJson: boolean;
  /** Somebody can answer a question. */
  readonly isInteractive: boolean;
};

export function loginMethod(around: LoginSurroundings): LoginMethod {
  const { mayOpenBrowser, isInteractive } = around;
  if (!around.hasPage) return { kind: 'device', opensBrowser: mayOpenBrowser && !around.isJson };
  if (around.isJson) return { kind: 'hand-over' };
  if (around.wantsPaste) return isInteractive ? { kind: 'paste' } : { kind: 'hand-over' };
  // A page that opens on another machine cannot come back to a port of this one.
  if (!mayOpenBrowser && around.hasDeviceCode) return { kind: 'device', opensBrowser: false };
  return { kind: 'loopback', opensBrowser: mayOpenBrowser, canPaste: isInteractive && !mayOpenBrowser };
}
