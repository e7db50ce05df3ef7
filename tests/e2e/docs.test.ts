// Every command block of the README and of docs/ is run as a reader would run it, in the order of its page, with the
// compiled program. How a block says where and how: tests/support/doc-pages.ts.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { binaryPath, ensureBinary } from '../support/binary.ts';
import { DocHome, isAsWritten } from '../support/doc-home.ts';
import { type Fence, readPages } from '../support/doc-pages.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';
import { startVendorProxy, type VendorProxy } from '../support/vendor-proxy.ts';

const RUN = ['sh', 'console', 'ts'];
const pages = readPages()
  .map(({ path, fences }) => ({ path, fences: fences.filter(({ language }) => RUN.includes(language)) }))
  .filter(({ fences }) => fences.length > 0);

let outside: TempHome;
let proxy: VendorProxy;

beforeAll(async () => {
  await ensureBinary();
  outside = await tempHome();
  proxy = await startVendorProxy(outside);
}, 120_000);

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await outside?.[Symbol.asyncDispose]();
});

// The blocks are of POSIX shells; Windows has none that could be counted on.
describe.skipIf(process.platform === 'win32').each(pages.map((page) => [page.path, page.fences] as const))(
  '%s',
  (_, fences) => {
    const homes = new Map<string, DocHome>();

    async function homeFor({ place }: Fence): Promise<DocHome> {
      const name = place ?? 'own';
      const home = homes.get(name) ?? (await DocHome.open(name, proxy.env));
      homes.set(name, home);
      return home;
    }

    afterAll(async () => {
      for (const home of homes.values()) await home[Symbol.asyncDispose]();
    });

    for (const fence of fences) {
      const reason = fence.noRun === null ? '' : ` (not run: ${fence.noRun})`;
      const isMissing = fence.needs !== null && Bun.which(fence.needs) === null;
      test.skipIf(fence.noRun !== null || isMissing)(
        `line ${fence.line}: ${fence.text.split('\n')[0]}${reason}`,
        async () => {
          const home = await homeFor(fence);
          if (fence.language === 'console') return await compare(home, fence);
          const ran = await (fence.language === 'ts' ? home.typescript(fence) : home.script(fence));
          expect(ran).toEqual({ code: fence.exit, output: expect.any(String) });
        },
        30_000,
      );
    }
  },
);

const units = readPages().flatMap(({ fences }) => fences.filter(({ text }) => text.includes('[Service]')));

test.skipIf(Bun.which('systemd-analyze') === null).each(units.map((unit) => [`${unit.page}:${unit.line}`, unit.text]))(
  '%s is a unit of systemd',
  async (_, text) => {
    const home = await tempHome();
    const path = await home.write('rotator.service', text.replaceAll('/usr/local/bin/rotator', binaryPath));
    const child = Bun.spawn(['systemd-analyze', 'verify', '--man=no', path], { stdout: 'pipe', stderr: 'pipe' });
    const [code, complaints] = await Promise.all([child.exited, child.stderr.text()]);
    await home[Symbol.asyncDispose]();
    // It also looks at the machine's own units.
    expect([code, complaints.split('\n').filter((line) => line.includes('rotator.service'))]).toEqual([0, []]);
  },
  30_000,
);

async function compare(home: DocHome, fence: Fence): Promise<void> {
  const steps = await home.console(fence);
  for (const [i, { command, code, output, wanted }] of steps.entries()) {
    const isLast = i === steps.length - 1;
    expect([command, code, output]).toEqual([command, isLast ? fence.exit : 0, output]);
    if (!isAsWritten(output, wanted)) expect(`$ ${command}\n${output}`).toBe(`$ ${command}\n${wanted}`);
  }
}
