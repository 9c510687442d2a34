import type { IRole, ISpec } from '../trainspec';

/** What the launcher of several cells is called, and a line of it that names one of them. */
const LAUNCHER = '-with-shared.py';
const PART = /^ {4}'([^'\n]+)',$/gm;
/** Where a text is broken into lines, for Python. */
const BREAK = /\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]/;
/** What is left out when nobody says it. */
const USUAL = {
  max_restarts: 3,
  checkpoint_every: 100,
  checkpoint_from: null,
  priority: 0,
  on_stall: 'alert',
  target: null
} as const;

/**
 * A `%%train` cell with the code and the options of a wish; `%train` for what has no text. The same
 * rule as `dllab_hub/cellof.py`.
 */
export function toCell(spec: ISpec): string {
  const { code } = spec;
  const parts = partsOf(spec);
  const lost = [...uneven(spec), ...lostOf(spec, parts)];
  const kind = code.kind ?? 'script';
  const words = [
    ...['--name', spec.name, '--image', spec.image],
    ...(kind === 'shell' || kind === 'command' ? [`--${kind}`] : []),
    ...(code.module ? ['--module', code.module] : []),
    ...roles(spec),
    ...others(spec),
    ...(code.args.length > 0 ? ['--', ...code.args] : [])
  ];
  const hasText = kind === 'script' || kind === 'shell';
  const line = [hasText ? '%%train' : '%train', ...words.map(quoted)].join(' ');
  const notes = lost.length > 0 ? [`# Not said here: ${lost.join('; ')}.`] : [];
  if (!hasText) {
    return [...notes, line].join('\n');
  }
  const shared = parts.map(part => code.files[part].replace(/\n+$/, '')).join('\n\n');
  return [line, ...notes, (shared || code.source).replace(/\n$/, '')].join('\n');
}

function roles(spec: ISpec): string[] {
  if (spec.strategy === 'custom') {
    return [
      ...spec.roles.flatMap(one => ['--role', role(one)]),
      ...said('--success-role', spec.success_role, null)
    ];
  }
  const named = (name: string) => spec.roles.find(role => role.name === name);
  const worker = named('worker');
  const servers = named('ps');
  return [
    ...said('--strategy', spec.strategy, 'allreduce'),
    ...said('--workers', worker?.replicas, 1),
    ...(servers === undefined ? [] : said('--ps', servers.replicas, 1)),
    ...said('--gpus', worker?.gpus, 0),
    ...said('--processes', worker?.processes ?? null, null),
    ...said('--cpus', number(worker?.cpus), null),
    ...said('--memory', worker?.memory ?? null, null)
  ];
}

function role({ name, replicas, gpus, processes, cpus, memory, command }: IRole): string {
  const wish = [
    `${name}=${replicas}`,
    ...(gpus > 0 ? [`gpus=${gpus}`] : []),
    ...(processes == null ? [] : [`processes=${processes}`]),
    ...(cpus == null ? [] : [`cpus=${number(cpus)}`]),
    ...(memory == null ? [] : [`memory=${memory}`])
  ].join(',');
  return command && command.length > 0 ? `${wish}:${command.map(bare).join(' ')}` : wish;
}

function others(spec: ISpec): string[] {
  const time = (option: string, seconds: number | null, usual: string) =>
    said(option, seconds === null ? 'none' : `${seconds}s`, usual);
  return [
    ...Object.entries(USUAL).flatMap(([name, usual]) =>
      said(`--${name.replace('_', '-')}`, spec[name as keyof typeof USUAL], usual)
    ),
    ...time('--time-limit', spec.time_limit, 'none'),
    ...time('--stall-after', spec.stall_after, '1800s'),
    ...(spec.resume_after_reboot ? ['--resume-after-reboot'] : []),
    ...spec.tags.flatMap(tag => ['--tag', tag]),
    ...(spec.volumes.length > 0 ? ['--volumes', ...spec.volumes] : []),
    ...(Object.keys(spec.env).length > 0
      ? ['--env', ...Object.entries(spec.env).map(([key, value]) => `${key}=${value}`)]
      : [])
  ];
}

function said(option: string, value: unknown, usual: unknown): string[] {
  return value === usual || value === undefined ? [] : [option, String(value)];
}

/** A number of CPUs as Python writes it. */
function number(value: number | null | undefined): string | null {
  return value == null ? null : Number.isInteger(value) ? `${value}.0` : String(value);
}

/** One option is for all roles alike, but that a parameter server has no GPU. */
function uneven({ strategy, roles }: ISpec): string[] {
  const worker = roles.find(({ name }) => name === 'worker');
  if (strategy !== 'ps' || worker === undefined) {
    return [];
  }
  const has = ({ gpus, cpus, memory }: IRole) =>
    JSON.stringify([gpus, cpus ?? null, memory ?? null]);
  return roles
    .filter(role => has(role) !== has({ ...worker, gpus: role.name === 'ps' ? 0 : worker.gpus }))
    .map(({ name }) => `what a ${name} gets, which is not what a worker gets`);
}

/** Names of the cells that ran as one program, in their order; none where one did alone. */
function partsOf({ code }: ISpec): string[] {
  return code.filename.endsWith(LAUNCHER)
    ? [...code.source.matchAll(PART)].map(([, name]) => name).filter(name => name in code.files)
    : [];
}

function lostOf(spec: ISpec, parts: readonly string[]): string[] {
  const names = Object.keys(spec.code.files)
    .filter(name => !parts.includes(name))
    .sort();
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  const texts = [
    ...spec.code.args,
    ...Object.values(spec.env),
    ...spec.roles.flatMap(({ command }) => command ?? [])
  ];
  return [
    ...(names.length > 0
      ? [`the files that went along, ${names.slice(0, 5).join(', ')}${more}`]
      : []),
    ...(spec.workspace ? ['the directory that went along'] : []),
    ...(texts.some(text => BREAK.test(text)) ? ['line breaks in words, which are spaces here'] : [])
  ];
}

/** One word of the line, as the notebook's own rules and then a shell's want it. */
function quoted(word: string): string {
  return bare(BREAK.test(word) ? lines(word).join(' ') : word)
    .replace(/\{/g, '{{')
    .replace(/\}/g, '}}')
    .replace(/\$/g, "$$''");
}

/** Its lines; a break at the very end begins none. */
function lines(text: string): string[] {
  const lines = text.split(BREAK);
  return lines[lines.length - 1] === '' ? lines.slice(0, -1) : lines;
}

/** A word that a shell takes for one. */
function bare(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'"'"'`)}'`;
}
