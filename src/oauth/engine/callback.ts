/** What comes back from a vendor's page: to the loopback listener as a request, or through a person's clipboard. */
import * as oauth from 'oauth4webapi';
import { redact } from '../../observe/redact.ts';

export type Callback =
  /** Accepted by oauth4webapi, which only redeems what it has accepted itself. */
  | { readonly kind: 'code'; readonly parameters: URLSearchParams }
  | { readonly kind: 'denied'; readonly reason: string }
  | { readonly kind: 'wrong-state' }
  | { readonly kind: 'unreadable' };

/** The parameters of a callback; its state must be the one that this login was begun with. */
export function readCallback(parameters: URLSearchParams, state: string): Callback {
  const given = new URLSearchParams(parameters);
  // The issuer tells apart several servers that a client speaks to. A login here knows of one.
  given.delete('iss');
  const codes = given.getAll('code');
  if (!given.has('error') && (codes.length !== 1 || codes[0] === '')) return { kind: 'unreadable' };
  if (given.get('state') !== state) return { kind: 'wrong-state' };
  try {
    return { kind: 'code', parameters: oauth.validateAuthResponse(ANY_SERVER, ANY_CLIENT, given, state) };
  } catch (error) {
    if (error instanceof oauth.AuthorizationResponseError) return { kind: 'denied', reason: deniedReason(error) };
    return { kind: 'unreadable' };
  }
}

/**
 * What a person pasted: the whole address their browser ended at, the code alone, or `code#state`, with whatever blanks
 * and quotes came along. Only a code alone says nothing of a state; PKCE binds it to this login.
 */
export function readPasted(text: string, state: string): Callback {
  const pasted = text.replace(/\s+/g, '').replace(/^["'<]+|["'>]+$/g, '');
  if (pasted === '') return { kind: 'unreadable' };
  const query = queryOf(pasted);
  if (query !== null) return readCallback(query, state);
  const [code = '', given, ...rest] = pasted.split('#');
  if (rest.length > 0 || !/^[\w./~+%=-]{4,}$/.test(code)) return { kind: 'unreadable' };
  const decoded = decode(code);
  if (given !== undefined) return readCallback(new URLSearchParams({ code: decoded, state: given }), state);
  const bare = new URLSearchParams({ code: decoded });
  return { kind: 'code', parameters: oauth.validateAuthResponse(ANY_SERVER, ANY_CLIENT, bare, oauth.expectNoState) };
}

/** The check is of parameters alone; what the library wants to know beside them plays no part in it. */
const ANY_SERVER: oauth.AuthorizationServer = { issuer: 'https://localhost' };
const ANY_CLIENT: oauth.Client = { client_id: 'rotator' };

/** The parameters of an address, of its end (`?code=…`, `code=…&state=…`), or null for what has none. */
function queryOf(pasted: string): URLSearchParams | null {
  if (/^https?:\/\//i.test(pasted)) return URL.canParse(pasted) ? new URL(pasted).searchParams : new URLSearchParams();
  const query = /(?:^|\?)((?:code|error|state|scope|iss)=.*)$/.exec(pasted)?.[1];
  if (query !== undefined) return new URLSearchParams(query.replace(/#.*$/, ''));
  // Browsers hide the scheme, and copy it so.
  const hidden = /^(?:localhost|127\.0\.0\.1)[:/]/.test(pasted) ? `http://${pasted}` : null;
  return hidden !== null && URL.canParse(hidden) ? new URL(hidden).searchParams : null;
}

function decode(code: string): string {
  try {
    return decodeURIComponent(code);
  } catch {
    return code;
  }
}

function deniedReason({ error, error_description }: oauth.AuthorizationResponseError): string {
  if (error === 'access_denied' && !error_description) return 'access was denied on the vendor’s page';
  return redact(error_description ? `${error}: ${error_description}` : error).slice(0, 300);
}
