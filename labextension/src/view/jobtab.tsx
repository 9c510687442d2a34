import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel } from '@lumino/widgets';
import * as React from 'react';
import type { BoardsModel } from '../model/boards';
import { JobModel } from '../model/job';
import { LogModel } from '../model/log';
import type { LabApi } from '../api';
import { processesOf } from '../trainspec';
import type { IJobActions } from './actions';
import { showLabError } from './cancel';
import { JobHeader } from './jobheader';
import { LogBar } from './logbar';
import { LogLines } from './loglines';
import { Section } from './section';

/** One job in the main area: what is known of it on top, its log below. */
export class JobTab extends Panel {
  constructor(options: JobTab.IOptions) {
    super();
    const { api, id, boards, actions, trans } = options;
    this.addClass('jp-dllab-JobTab');
    this.job = new JobModel(api, id);
    this._log = new LogModel(api, id);

    const header = new Section([this.job, boards], () => (
      <JobHeader model={this.job} boards={boards} actions={actions} trans={trans} />
    ));
    header.addClass('jp-dllab-JobHeader');
    this._lines = new LogLines(this._log.buffer, trans.__('Log of %1', id), () => bar.update());
    const showEarlier = () =>
      this._log
        .showEarlier()
        .catch(reason => showLabError(trans.__('Earlier lines could not be read'), reason, trans));
    const bar: Section = new Section([this._log], () => (
      <LogBar
        job={this.job}
        log={this._log}
        follows={this._lines.follows}
        toggle={() => (this._lines.follows = !this._lines.follows)}
        showEarlier={showEarlier}
        trans={trans}
      />
    ));
    this.addWidget(header);
    this.addWidget(bar);
    this.addWidget(this._lines);

    this._log.changed.connect(() => this._lines.draw());
    this.job.changed.connect(() => this._onJob(bar));
  }

  readonly job: JobModel;

  override dispose(): void {
    this.job.dispose();
    this._log.dispose();
    super.dispose();
  }

  private _onJob(bar: Section): void {
    const { job } = this.job;
    if (job === null) {
      return;
    }
    if (!this._chosen) {
      // One process alone needs no names in front of its lines.
      this._chosen = true;
      const [role, ...others] = job.spec.roles;
      const all = role.replicas * processesOf(role, job.spec.strategy);
      this._log.choose(others.length === 0 && all === 1 ? `${role.name}-0` : null, null);
    }
    this._log.newest = job.attempt;
    bar.update();
  }

  private readonly _log: LogModel;
  private readonly _lines: LogLines;
  private _chosen = false;
}

export namespace JobTab {
  export interface IOptions {
    api: LabApi;
    /** Of the job. */
    id: string;
    boards: BoardsModel;
    actions: IJobActions;
    trans: TranslationBundle;
  }
}
