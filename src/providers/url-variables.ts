import type { Need, Provider } from './provider.ts';
import type { VendorSettings } from './vendor-settings.ts';

/** Vendors whose URL holds an account, a region or a host of the user's own: `https://${HOST}/v1`. */

const VARIABLE = /\$\{([A-Z0-9_]+)\}/g;

/** Such an entry asks for what its URL lacks; any other is returned as it is. */
export function withUrlVariables(provider: Provider): Provider {
  const template = provider.baseUrl;
  const names = [...(template ?? '').matchAll(VARIABLE)].map(([, name = '']) => name);
  if (template === null || names.length === 0) return provider;
  return {
    ...provider,
    baseUrl: null,
    fields: ['url_variables'],
    needs: names.map((name): Need => {
      const isUrl = template.startsWith(`\${${name}}`);
      return {
        field: ['url_variables', name],
        question: `${provider.title}: ${name} (a part of its URL, ${template})`,
        placeholder: isUrl ? 'https://…' : (name.toLowerCase().split('_').at(-1) ?? name),
        env: name,
        isInHost: isUrl || template.indexOf(name) < template.indexOf('/', 'https://'.length),
      };
    }),
    configure: (settings) => ({ ...provider, baseUrl: filled(template, settings) }),
  };
}

/** Null while something is missing, or stands where it would be something else: a whole path in the place of a name. */
function filled(template: string, { urlVariables }: VendorSettings): string | null {
  let isWhole = true;
  const url = template.replace(VARIABLE, (whole, name: string) => {
    const value = urlVariables[name]?.trim() ?? '';
    if (!isUrlPart(value, template.startsWith(whole))) isWhole = false;
    return value.replace(/\/+$/, '');
  });
  return isWhole && URL.canParse(url) ? url : null;
}

/** `isUrl`: the whole beginning of the URL is left to the user. */
function isUrlPart(value: string, isUrl: boolean): boolean {
  return isUrl ? /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/.test(value) : /^[\w-]+(?:\.[\w-]+)*$/.test(value);
}
