/** What the tests of the front end share: words, jobs and a lab without a server. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';
import type { LabApi } from '../../labextension/src/api';
import type { IJob, JobState } from '../../labextension/src/specs';

const fill = (text: string, args: unknown[]) =>
  text.replace(/%(\d)/g, (_, at) => String(args[Number(at) - 1]));

/** English, as the page shows it without a catalogue. */
export const trans = {
  __: (text: string, ...args: unknown[]) => fill(text, args),
  _n: (one: string, many: string, n: number, ...more: unknown[]) =>
    fill(n === 1 ? one : many, [n, ...more])
} as unknown as TranslationBundle;

export function aJob(id: string, state: JobState = 'RUNNING', more: Partial<IJob> = {}): IJob {
  return {
    id,
    owner: 'ada',
    spec: {
      name: id,
      image: 'pytorch',
      strategy: 'allreduce',
      code: {
        kind: 'script',
        source: 'pass',
        filename: 'train.py',
        module: '',
        args: [],
        files: {}
      },
      roles: [
        {
          name: 'worker',
          replicas: 2,
          gpus: 0,
          processes: null,
          cpus: null,
          memory: null,
          command: []
        }
      ],
      success_role: null,
      max_restarts: 3,
      checkpoint_every: 100,
      time_limit: null,
      priority: 0,
      resume_after_reboot: false,
      env: {},
      volumes: [],
      lab: null,
      target: null,
      stall_after: 1800,
      on_stall: 'alert',
      tags: [],
      checkpoint_from: null,
      workspace: null,
      git: null
    },
    state,
    reason: '',
    attempt: 1,
    replicas: [],
    checkpoint: null,
    progress: null,
    position: null,
    ran: 0,
    workspace: '',
    tensorboard: `/tb/ada/${id}`,
    created: 1000,
    started: 1000,
    ended: null,
    diagnosis: null,
    silent_since: null,
    gpu_seconds: 0,
    tags: [],
    notes: '',
    favourite: false,
    files: true,
    ...more
  };
}

/** An API of which only the given methods exist. */
export function anApi(methods: Partial<Record<keyof LabApi, unknown>>): LabApi {
  return methods as unknown as LabApi;
}

/** Let everything that waits for a promise go on; clocks stand still. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** Let a few milliseconds pass: an immediate read of a model is over. */
export async function moment(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 20));
  await settle();
}

/** What a person reads of a view that is made of elements without state of their own. */
export function wordsOf(node: unknown): string {
  if (Array.isArray(node)) {
    return node.map(wordsOf).join('');
  }
  if (typeof node === 'object' && node !== null) {
    const { type, props } = node as ReactElement;
    return typeof type === 'function'
      ? wordsOf((type as (props: unknown) => unknown)(props))
      : wordsOf(props.children);
  }
  return typeof node === 'string' || typeof node === 'number' ? String(node) : '';
}
