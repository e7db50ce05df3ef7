import { readdirSync, readFileSync } from 'node:fs';

/** What a process and its children have cost so far, read from Linux's /proc. */

/** CPU time in nanoseconds over all threads. */
export function cpuNs(pid: number): number {
  let total = 0;
  for (const each of tree(pid)) {
    for (const thread of listed(`/proc/${each}/task`)) {
      total += Number(text(`/proc/${each}/task/${thread}/schedstat`).split(' ')[0] || 0);
    }
  }
  return total;
}

/** Resident memory in MB. */
export function rssMb(pid: number): number {
  return (
    tree(pid).reduce((sum, each) => sum + Number(/VmRSS:\s+(\d+)/.exec(text(`/proc/${each}/status`))?.[1] ?? 0), 0) /
    1024
  );
}

function tree(pid: number): number[] {
  const children = listed(`/proc/${pid}/task`).flatMap((thread) =>
    text(`/proc/${pid}/task/${thread}/children`).trim().split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(tree)];
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function listed(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
