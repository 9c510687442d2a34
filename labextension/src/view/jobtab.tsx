import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel, type Widget } from '@lumino/widgets';
import * as React from 'react';
import type { LabApi } from '../api';
import type { BoardsModel } from '../model/boards';
import type { IDrawn } from '../model/charts';
import { CurvesModel } from '../model/curves';
import { EventsModel, RecordModel } from '../model/details';
import { JobModel } from '../model/job';
import type { LogStream } from '../model/logstream';
import { StacksModel } from '../model/stacks';
import { isUnderWay } from '../specs';
import type { Address } from '../tokens';
import type { IJobActions } from './actions';
import { Charts } from './charts';
import { Details } from './details';
import { JobHeader } from './jobheader';
import { JobLog } from './joblog';
import { Replicas } from './replicas';
import { Section } from './section';
import { Tabs } from './tabs';

type Page = 'logs' | 'curves' | 'replicas' | 'details';

/** One job in the main area: what is known of it on top; its log, curves, replicas or details below. */
export class JobTab extends Panel {
  constructor(options: JobTab.IOptions) {
    super();
    const { api, id, boards, actions, trans } = options;
    this.addClass('jp-dllab-JobTab');
    this.job = new JobModel(api, id);
    this._curves = new CurvesModel(api.history, id);
    this._events = new EventsModel(api, id);
    this._record = new RecordModel(api.history, id);
    const { job } = this;
    const stacks = new StacksModel(api.history, id);
    const log = new JobLog(options, job);
    const showLog = (replica: string, attempt: number | null) => {
      log.showReplica(replica, attempt);
      this._show('logs');
    };

    const header = new Section([job, boards], () => (
      <JobHeader {...{ model: job, boards, actions, stacks, showLog, trans }} />
    ));
    header.addClass('jp-dllab-JobHeader');
    stacks.changed.connect(() => header.update());
    this._tabs = new Section([], () => this._drawTabs(trans));
    const curves = new Section([job, this._curves, this._events], () => this._drawCurves(trans));
    const replicas = new Section([job], () => <Replicas model={job} trans={trans} />);
    const details = new Section([job, this._events, this._record], () => (
      <Details {...{ job, events: this._events, record: this._record, trans }} />
    ));
    this._pages = { logs: log, curves, replicas, details };
    this.addWidget(header);
    this.addWidget(this._tabs);
    for (const [page, widget] of Object.entries(this._pages)) {
      widget.addClass('jp-dllab-JobTab-page');
      widget.id = this._panel(page as Page);
      widget.node.setAttribute('role', 'tabpanel');
      widget.setHidden(page !== this._page);
      this.addWidget(widget);
    }
    job.changed.connect(this._onJob, this);
  }

  readonly job: JobModel;

  override dispose(): void {
    for (const model of [this.job, this._curves, this._events, this._record]) {
      model.dispose();
    }
    super.dispose();
  }

  private _drawTabs(trans: TranslationBundle): React.JSX.Element {
    const labels: [Page, string][] = [
      ['logs', trans.__('Logs')],
      ['curves', trans.__('Curves')],
      ['replicas', trans.__('Replicas')],
      ['details', trans.__('Details')]
    ];
    return (
      <Tabs
        label={trans.__('About %1', this.job.id)}
        tabs={labels.map(([id, label]) => ({ id, label, panel: this._panel(id) }))}
        chosen={this._page}
        choose={page => this._show(page)}
      />
    );
  }

  private _drawCurves(trans: TranslationBundle): React.JSX.Element {
    const { curves } = this._curves;
    const { job } = this.job;
    return (
      <Charts
        model={this._curves}
        jobs={this._drawn}
        read={curves?.read ?? 1}
        notes={curves?.notes ?? []}
        attempts={this._events.attempts.slice(1)}
        together={this.job.id}
        empty={
          curves === null
            ? trans.__('Reading…')
            : job !== null && isUnderWay(job.state)
              ? trans.__(
                  'Nothing was reported yet. Curves come from TensorBoard’s event files and from report() of dllab_hub.runtime.report.'
                )
              : trans.__(
                  'This job reported nothing. Curves come from TensorBoard’s event files and from report() of dllab_hub.runtime.report.'
                )
        }
        trans={trans}
      />
    );
  }

  private _onJob(): void {
    const { job } = this.job;
    if (job !== null) {
      this._curves.grows = this._events.grows = isUnderWay(job.state);
      if (job.state !== this._state) {
        this._state = job.state;
        void (this._record.watched && this._record.refresh());
      }
    }
  }

  private _show(page: Page): void {
    this._page = page;
    for (const [other, widget] of Object.entries(this._pages)) {
      widget.setHidden(other !== page);
    }
    this._tabs.update();
  }

  private _panel(page: Page): string {
    return `dllab-job-${this.job.id}-${page}`;
  }

  /** The same object while nothing has changed, so that nothing is drawn again. */
  private get _drawn(): IDrawn[] {
    const curves = this._curves.curves?.curves ?? [];
    const began = this.job.job?.started ?? null;
    if (this._last?.[0].curves !== curves || this._last[0].began !== began) {
      this._last = [{ label: '', began, curves }];
    }
    return this._last;
  }

  private readonly _tabs: Section;
  private readonly _curves: CurvesModel;
  private readonly _events: EventsModel;
  private readonly _record: RecordModel;
  private readonly _pages: Record<Page, Widget>;
  private _page: Page = 'logs';
  private _state = '';
  private _last: IDrawn[] | null = null;
}

export namespace JobTab {
  export interface IOptions {
    api: LabApi;
    /** Of the job. */
    id: string;
    boards: BoardsModel;
    logs: LogStream;
    address: Address;
    actions: IJobActions;
    trans: TranslationBundle;
  }
}
