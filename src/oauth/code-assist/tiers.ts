/** Google's names for what an account has paid for. */
const TIERS: Readonly<Record<string, 'FREE' | 'PRO' | 'ULTRA'>> = {
  'free-tier': 'FREE',
  'legacy-tier': 'FREE',
  'g1-free-tier': 'FREE',
  'gemini-code-assist-free': 'FREE',
  'standard-tier': 'PRO',
  'pro-tier': 'PRO',
  'g1-pro-tier': 'PRO',
  'gemini-code-assist-pro': 'PRO',
  'ultra-tier': 'ULTRA',
  'enterprise-tier': 'ULTRA',
  'g1-ultra-tier': 'ULTRA',
  'gemini-code-assist-ultra': 'ULTRA',
};

/** The short name; a new one of Google's stays as it is. */
export const tierName = (id: string): string => TIERS[id] ?? id;

/** Paid before free. */
export const tierPriorities: Readonly<Record<string, number>> = { ULTRA: 1, PRO: 2, FREE: 3 };
