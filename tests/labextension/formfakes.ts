/** What the tests of the form for a training share: files in memory, and a lab to pick from. */
import type { TestContext } from 'node:test';
import type { LabApi } from '../../labextension/src/api';
import { LabError } from '../../labextension/src/errors';
import type { ISources } from '../../labextension/src/model/code';
import type { INotebook } from '../../labextension/src/model/notebook';
import { TrainForm } from '../../labextension/src/model/trainform';
import type { IJob } from '../../labextension/src/specs';
import { anApi, trans } from './fakes';

/** Files that are only in memory. */
export class FakeFiles implements ISources {
  constructor(private readonly _files: Record<string, string>) {}

  opened: INotebook[] = [];

  notebooks(): INotebook[] {
    return this.opened;
  }

  async read(path: string): Promise<string> {
    if (!(path in this._files)) {
      throw new LabError(`there is no ${path}.`, '', 'not_found', 404, 'path');
    }
    return this._files[path];
  }

  async list(path: string): Promise<string[]> {
    const inside = Object.keys(this._files).filter(name => name.startsWith(path));
    if (inside.length === 0) {
      throw new LabError('no such directory.');
    }
    const names = inside.map(name => /^[^/]+\/?/.exec(name.slice(path.length))![0]);
    return [...new Set(names)];
  }
}

export const catalog = {
  images: [
    { name: 'pytorch', title: 'PyTorch' },
    { name: 'jax', title: 'JAX' }
  ],
  volumes: [],
  default_image: 'pytorch',
  max_gpus: 8,
  max_replicas: 4
};

export const FILES = { 'train.py': 'import net', 'net.py': '1', 'src/deep.py': '' };

/** A form with the files `train.py` and `net.py`. */
export function aForm(
  t: TestContext,
  methods: Partial<Record<keyof LabApi, unknown>> = {},
  files = new FakeFiles(FILES),
  old: IJob | null = null
): TrainForm {
  const api = anApi({
    catalog: async () => catalog,
    lab: async () => ({ volumes: [{ name: 'sets' }, { name: 'gone' }] }),
    capacity: async (gpus: number) => ({
      total: 2,
      free: 2,
      holders: [],
      forecast: { answer: gpus > 2 ? 'never' : 'now', message: `for ${gpus}` }
    }),
    ...methods
  });
  const form = new TrainForm(api, files, trans, old);
  t.after(() => form.dispose());
  return form;
}
