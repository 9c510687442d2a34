import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel } from '@lumino/widgets';
import * as React from 'react';
import type { LabApi } from '../api';
import type { JobModel } from '../model/job';
import { LogModel } from '../model/log';
import type { LogStream } from '../model/logstream';
import { LogSearch } from '../model/search';
import { at } from '../path';
import { processesOf } from '../trainspec';
import type { Address } from '../tokens';
import { showLabError } from './cancel';
import { LogBar } from './logbar';
import { LogLines } from './loglines';
import { SearchBar } from './logsearch';
import { Section } from './section';

/** The log of one job: live, any piece of it, and what is looked for in it. */
export class JobLog extends Panel {
  constructor(
    options: { api: LabApi; logs: LogStream; address: Address; trans: TranslationBundle },
    private readonly _job: JobModel
  ) {
    super();
    const { api, logs, address, trans } = options;
    const { id } = _job;
    this.addClass('jp-dllab-JobLog');
    const log = (this.log = new LogModel(api, id, logs));
    const search = new LogSearch(api.history, id);
    const lines = new LogLines(log.buffer, trans.__('Log of %1', id), () => bar.update());
    const failed = (reason: unknown) =>
      void showLabError(trans.__('The log could not be read'), reason, trans);
    const toggle = () => {
      if (log.isAway) {
        log.showEnd();
        lines.follows = true;
      } else {
        lines.follows = !lines.follows;
      }
    };
    const where = () => ({ replica: log.replica, attempt: log.attempt ?? log.newest });
    const go = async (step: 1 | -1): Promise<void> => {
      const before = search.match;
      await search.go(step, where());
      const { match, text } = search;
      if (match !== null && match !== before) {
        const place = await log.showAround(match.offset);
        if (place !== null) {
          lines.reveal(place, text);
        }
      }
    };
    const bar: Section = new Section([log], () => (
      <LogBar
        job={_job}
        log={log}
        follows={lines.follows && !log.isAway}
        toggle={toggle}
        showEarlier={() => void log.showEarlier().catch(failed)}
        download={address(at('jobs', id, 'logs', 'download'), where())}
        trans={trans}
      >
        <SearchBar search={search} go={step => void go(step).catch(failed)} trans={trans} />
      </LogBar>
    ));
    const later = new Section([log], () =>
      log.isAway ? (
        <div className="jp-dllab-LogBar-earlier jp-dllab-dim">
          <button
            type="button"
            className="jp-dllab-Button"
            onClick={() => void log.showLater().catch(failed)}
          >
            {trans.__('Show later lines')}
          </button>{' '}
          <button type="button" className="jp-dllab-Button" onClick={toggle}>
            {trans.__('Go to the end')}
          </button>
        </div>
      ) : (
        <></>
      )
    );
    [bar, lines, later].forEach(widget => this.addWidget(widget));

    let shown = '';
    log.changed.connect(() => {
      const now = JSON.stringify(where());
      if (now !== shown) {
        shown = now; // What was found in another log is not in this one.
        search.forget();
      }
      lines.update();
    });
    search.changed.connect(() => bar.update());
    _job.changed.connect(this._onJob, this);
    this._bar = bar;
  }

  readonly log: LogModel;

  /** Show the log of one replica. */
  showReplica(replica: string, attempt: number | null): void {
    this._chosen = true;
    this.log.choose(replica, attempt);
  }

  override dispose(): void {
    this._job.changed.disconnect(this._onJob, this);
    this.log.dispose();
    super.dispose();
  }

  private _onJob(): void {
    const { job } = this._job;
    if (job === null) {
      return;
    }
    if (!this._chosen) {
      // One process alone needs no names in front of its lines.
      this._chosen = true;
      const [role, ...others] = job.spec.roles;
      const all = role.replicas * processesOf(role, job.spec.strategy);
      this.log.choose(others.length === 0 && all === 1 ? `${role.name}-0` : null, null);
    }
    this.log.newest = job.attempt;
    if (this._bar.isVisible) {
      this._bar.update();
    }
  }

  private readonly _bar: Section;
  private _chosen = false;
}
