/** A person with a browser: follows redirects, keeps cookies, fills in forms, until a page leaves the server. */
export type Visit = {
  readonly login?: string;
  /** What stands on the other screen. */
  readonly userCode?: string;
  readonly refuses?: boolean;
};

const MAX_PAGES = 25;

/** Where the browser ends: the address outside of the server, or the text of the last page. */
export async function visit(
  address: string,
  { login = 'ann', userCode, refuses = false }: Visit = {},
): Promise<string> {
  const { origin } = new URL(address);
  const cookies = new Map<string, string>();
  let url = address;
  let form: URLSearchParams | null = null;
  let hasRefused = false;
  for (let page = 0; page < MAX_PAGES; page++) {
    const response: Response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      body: form,
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const location = response.headers.get('location');
    if (location !== null) {
      url = new URL(location, url).href;
      form = null;
      if (!url.startsWith(origin)) return url;
      continue;
    }
    const html = await response.text();
    if (hasRefused) return html;
    const action = /<form[^>]*action="([^"]+)"/.exec(html)?.[1];
    if (action === undefined) return html;
    const abort = /href="([^"]*\/abort)"/.exec(html)?.[1];
    if (refuses && abort !== undefined) {
      url = new URL(abort, url).href;
      form = null;
      continue;
    }
    form = filledIn(html, login, userCode);
    // The page of a device login takes this word too, and leaves it to its skin to offer it.
    if (refuses && html.includes('op.deviceConfirmForm')) {
      form.delete('confirm');
      form.set('abort', 'yes');
      hasRefused = true;
    }
    url = new URL(action.replaceAll('&amp;', '&'), url).href;
  }
  throw new Error(`the login goes in circles at ${url}`);
}

function filledIn(html: string, login: string, userCode: string | undefined): URLSearchParams {
  const form = new URLSearchParams();
  for (const [, attributes = ''] of html.matchAll(/<(?:input|button)([^>]*)>/g)) {
    const name = /name="([^"]+)"/.exec(attributes)?.[1];
    if (name === undefined || name === 'abort') continue;
    form.set(name, /value="([^"]*)"/.exec(attributes)?.[1] ?? login);
  }
  if (form.has('login')) form.set('login', login);
  if (form.has('user_code') && userCode !== undefined) form.set('user_code', userCode);
  return form;
}
