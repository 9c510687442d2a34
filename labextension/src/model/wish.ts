import { JSONExt } from '@lumino/coreutils';
import { bytesIn, bytesText, secondsIn, secondsText } from '../amounts';
import { joinWords, splitWords } from '../words';
import type { ICode, IRole, ISpec, ITrainingSpec, Strategy } from '../trainspec';
import { type DraftField, EMPTY, type IDraft, isShown, tagsIn } from './draft';

/** The roles that are meant; what no field is for is as it was in the wish that is run again. */
export function rolesOf(draft: IDraft, old: ISpec | null): IRole[] {
  const { strategy } = draft;
  if (strategy === 'custom') {
    return old?.roles ?? [];
  }
  const same = old?.strategy === strategy ? old : null;
  const before = same === null ? EMPTY : draftOf(same);
  const role = (name: string, replicas: string, gpus: string | null): IRole => {
    const known = same?.roles.find(role => role.name === name);
    return {
      ...known,
      name,
      replicas: Number(replicas),
      gpus: gpus === null ? (known?.gpus ?? 0) : Number(gpus),
      cpus: draft.cpus === before.cpus ? (known?.cpus ?? null) : numberIn(draft.cpus),
      memory: draft.memory === before.memory ? (known?.memory ?? null) : bytesIn(draft.memory)
    };
  };
  if (strategy === 'ps') {
    const { gpus, servers, workers } = draft;
    return [role('chief', '1', null), role('ps', servers, null), role('worker', workers, gpus)];
  }
  return [role('worker', strategy === 'single' ? '1' : draft.workers, draft.gpus)];
}

/** All GPUs that it asks for; null while that cannot be told. */
export function gpusOf(draft: IDraft, old: ISpec | null = null): number | null {
  const roles = rolesOf(draft, old);
  const all = roles.reduce((sum, { replicas, gpus }) => sum + replicas * gpus, 0);
  return Number.isInteger(all) && all >= 0 ? all : null;
}

/** The wish, when there are no problems. */
export function toSpec(
  draft: IDraft,
  image: string,
  code: ICode,
  old: ISpec | null = null
): ITrainingSpec {
  return {
    name: draft.name,
    target: draft.target || null,
    image,
    strategy: draft.strategy as Strategy,
    code: { ...code, args: splitWords(draft.args) ?? [] },
    roles: rolesOf(draft, old),
    success_role: draft.strategy === 'custom' ? (old?.success_role ?? null) : null,
    max_restarts: Number(draft.restarts),
    checkpoint_every: Number(draft.every),
    time_limit: secondsIn(draft.limit),
    priority: Number(draft.priority),
    resume_after_reboot: draft.reboot !== '',
    tags: tagsIn(draft.tags),
    stall_after: secondsIn(draft.silence),
    on_stall: draft.relaunch === '' ? 'alert' : 'relaunch'
  };
}

/** A wish as somebody would have typed it: what runs is the same. */
export function draftOf(spec: ISpec): IDraft {
  const { strategy, roles } = spec;
  const named = (name: string) => roles.find(role => role.name === name) ?? roles[0];
  const { replicas, gpus, cpus, memory } = named('worker');
  return {
    code: 'same',
    path: spec.code.kind === 'script' ? spec.code.filename : '',
    notebook: '',
    cells: 'selected',
    name: spec.name,
    target: spec.target ?? '',
    image: spec.image,
    strategy,
    workers: String(replicas),
    servers: strategy === 'ps' ? String(named('ps').replicas) : EMPTY.servers,
    gpus: String(gpus),
    cpus: cpus == null ? '' : String(cpus),
    memory: memory == null ? '' : bytesText(memory),
    limit: spec.time_limit === null ? '' : secondsText(spec.time_limit),
    priority: String(spec.priority),
    every: String(spec.checkpoint_every),
    restarts: String(spec.max_restarts),
    reboot: spec.resume_after_reboot ? 'yes' : '',
    tags: spec.tags.join(' '),
    silence: spec.stall_after === null ? '' : secondsText(spec.stall_after),
    relaunch: spec.on_stall === 'relaunch' ? 'yes' : '',
    args: joinWords(spec.code.args)
  };
}

/** What differs from a wish; of the code, the fields that differ. */
export function changesOf(old: ISpec, spec: ITrainingSpec): Record<string, unknown> {
  const { code, ...rest } = spec;
  const changed = differing(old, rest);
  const inCode = differing(old.code, code);
  return Object.keys(inCode).length > 0 ? { ...changed, code: inCode } : changed;
}

/** The field of the form that a field of the spec comes from; null when the form shows none. */
export function fieldFor(spec: string, draft: IDraft): DraftField | null {
  const field = known(spec, draft);
  return field !== null && isShown(field, draft) ? field : null;
}

function known(spec: string, { code, strategy }: IDraft): DraftField | null {
  const [first, index, last] = spec.split('.');
  switch (first) {
    case 'name':
    case 'target':
    case 'image':
    case 'strategy':
    case 'gpus':
    case 'path':
    case 'priority':
      return first;
    case 'roles':
      return last === 'gpus' || last === 'cpus' || last === 'memory'
        ? last
        : strategy === 'ps' && index === '1'
          ? 'servers'
          : 'workers';
    case 'code':
      return index === 'args' ? 'args' : code === 'cells' ? 'cells' : 'path';
    case 'max_restarts':
      return 'restarts';
    case 'checkpoint_every':
      return 'every';
    case 'time_limit':
      return 'limit';
    case 'resume_after_reboot':
      return 'reboot';
    case 'tags':
      return 'tags';
    case 'stall_after':
      return 'silence';
    case 'on_stall':
      return 'relaunch';
    default:
      return null;
  }
}

function numberIn(text: string): number | null {
  return text.trim() === '' ? null : Number(text);
}

/** The fields of `now` that are not the same in `old`, whatever the order of their keys. */
function differing(old: object, now: object): Record<string, unknown> {
  const before = old as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(now).filter(([key, value]) => !JSONExt.deepEqual(before[key] as never, value))
  );
}
