import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import { Panel } from '@lumino/widgets';
import * as React from 'react';
import type { LabApi } from '../api';
import type { DeploymentModel } from '../model/deployment';
import { LogModel } from '../model/log';
import { showLabError } from './cancel';
import { LogControls } from './logbar';
import { LogLines } from './loglines';
import { Section } from './section';

/** What the server calls the log of the process in front of the replicas. */
const BALANCER = 'balancer';

/** The log of one replica of a deployment, or of its balancer. */
export class DeploymentLog extends Panel {
  constructor(
    api: LabApi,
    private readonly _deployment: DeploymentModel,
    trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-dllab-DeploymentLog');
    const { name } = _deployment;
    this._log = new LogModel({ logs: (id, query) => api.deploymentLogs(id, query) }, name);
    this._lines = new LogLines(this._log.buffer, trans.__('Log of %1', name), () => bar.update());
    const bar = new Section([this._log], () => (
      <LogControls
        log={this._log}
        follows={this._lines.follows}
        toggle={() => (this._lines.follows = !this._lines.follows)}
        showEarlier={() =>
          void this._log
            .showEarlier()
            .catch(reason =>
              showLabError(trans.__('Earlier lines could not be read'), reason, trans)
            )
        }
        trans={trans}
      >
        <HTMLSelect
          aria-label={trans.__('Replica')}
          value={this._log.replica ?? ''}
          onChange={event => this._log.choose(event.target.value, null)}
        >
          {this._names.map(name => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
          <option value={BALANCER}>{trans.__('Balancer')}</option>
        </HTMLSelect>
      </LogControls>
    ));
    this._bar = bar;
    this.addWidget(bar);
    this.addWidget(this._lines);
    this._log.changed.connect(() => this._lines.draw());
    _deployment.changed.connect(this._onDeployment, this);
    this._onDeployment();
  }

  override dispose(): void {
    this._deployment.changed.disconnect(this._onDeployment, this);
    this._log.dispose();
    super.dispose();
  }

  private get _names(): string[] {
    return (this._deployment.deployment?.replicas ?? []).map(({ name }) => name);
  }

  /** Go on with the newest replica when the one on show is no more; notice what was restarted. */
  private _onDeployment(): void {
    const replicas = this._deployment.deployment?.replicas ?? [];
    const shown = replicas.find(({ name }) => name === this._log.replica);
    const newest = replicas[replicas.length - 1];
    if (shown === undefined && this._log.replica !== BALANCER && newest !== undefined) {
      this._log.choose(newest.name, null);
      this._log.newest = 1; // There is something to read now.
    }
    const life = JSON.stringify([shown?.pid, shown?.state]);
    if (life !== this._life) {
      this._life = life;
      if (this._log.watched) {
        this._log.refresh();
      }
    }
    this._bar.update();
  }

  private readonly _log: LogModel;
  private readonly _lines: LogLines;
  private readonly _bar: Section;
  /** Of the replica on show; its log may go on when this changes. */
  private _life = '';
}
