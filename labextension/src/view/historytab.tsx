import { InputDialog, Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { LabApi } from '../api';
import { exported, imported } from '../model/exchange';
import { isRemovable, RunsModel } from '../model/runs';
import type { IJob } from '../specs';
import type { IJobActions } from './actions';
import { showLabError } from './cancel';
import { History } from './history';
import type { IHistoryTools } from './historytools';
import { confirmRemove, confirmRemoveFiles } from './removedialog';
import { Section } from './section';

/** Every run there was, in the main area. */
export class HistoryTab extends Section implements IHistoryTools {
  constructor(
    private readonly _api: LabApi,
    actions: IJobActions,
    private readonly _trans: TranslationBundle
  ) {
    const model = new RunsModel(_api.history);
    super([model], () => <History model={model} actions={actions} tools={this} trans={_trans} />);
    this.addClass('jp-dllab-HistoryTab');
    this._model = model;
  }

  busy = '';

  override dispose(): void {
    super.dispose();
    this._model.dispose();
  }

  async tag(): Promise<void> {
    const trans = this._trans;
    const { value } = await InputDialog.getText({
      title: trans.__('Add a tag'),
      label: trans.__('A word, such as baseline or lr/0.1'),
      okLabel: trans.__('Add')
    });
    const tag = value?.trim() ?? '';
    if (tag !== '') {
      const jobs = this._model.chosen.filter(({ tags }) => !tags.includes(tag));
      await this._each(jobs, trans.__('The tag could not be added'), ({ id, tags }) =>
        this._api.history.annotate(id, { tags: [...tags, tag] })
      );
    }
  }

  async removeFiles(): Promise<void> {
    const trans = this._trans;
    const jobs = this._model.chosen.filter(isRemovable);
    if (await confirmRemoveFiles(jobs, trans)) {
      await this._each(jobs, trans.__('The files could not be removed'), ({ id }) =>
        this._api.history.removeFiles(id)
      );
    }
  }

  async remove(): Promise<void> {
    const trans = this._trans;
    const jobs = this._model.chosen.filter(isRemovable);
    if (await confirmRemove(jobs, trans)) {
      await this._each(jobs, trans.__('The run could not be deleted'), ({ id }) =>
        this._api.history.remove(id)
      );
    }
  }

  export(): void {
    const trans = this._trans;
    const { filter, marked } = this._model;
    const which = marked.length > 0 ? marked : filter;
    void this._busy(trans.__('The export did not work'), trans.__('Exporting…'), async say => {
      const lines = await exported(this._api.history, which, count =>
        say(trans.__('Exporting… %1', count))
      );
      save(lines, 'runs.jsonl');
    });
  }

  import(): void {
    const trans = this._trans;
    const input = document.createElement('input');
    input.type = 'file';
    input.accept = '.jsonl,.json,.ndjson,text/plain';
    input.onchange = () => {
      const file = input.files?.[0];
      if (file !== undefined) {
        void this._busy(trans.__('The import did not work'), trans.__('Importing…'), async () => {
          const { added, known } = await imported(this._api.history, await file.text(), line =>
            trans.__('Line %1 of %2 is not a record of a run.', line, file.name)
          );
          const more = known.length > 0 ? trans.__('%1 were here already.', known.length) : '';
          Notification.success(
            `${trans._n('%1 run was added.', '%1 runs were added.', added.length)} ${more}`.trim(),
            { autoClose: 8000 }
          );
        });
      }
    };
    input.click();
  }

  /** Do something with each, one after the other; the first problem ends it. */
  private _each(
    jobs: readonly IJob[],
    failed: string,
    execute: (job: IJob) => Promise<unknown>
  ): Promise<void> {
    return this._busy(failed, '', async say => {
      for (const [at, job] of jobs.entries()) {
        say(this._trans.__('%1 of %2', at + 1, jobs.length));
        await execute(job);
      }
    });
  }

  private async _busy(
    failed: string,
    words: string,
    execute: (say: (words: string) => void) => Promise<void>
  ): Promise<void> {
    const say = (words: string) => {
      this.busy = words;
      this.update();
    };
    say(words);
    try {
      await execute(say);
    } catch (reason) {
      await showLabError(failed, reason, this._trans);
    } finally {
      say('');
      this._model.refresh();
    }
  }

  private readonly _model: RunsModel;
}

/** Have the browser save a file. */
function save(pieces: string[], name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(pieces, { type: 'application/x-ndjson' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
