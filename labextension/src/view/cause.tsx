import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { ago } from '../format';
import { firstFailure } from '../model/job';
import type { StacksModel } from '../model/stacks';
import { type IJob, isUnderWay, replicaName } from '../specs';
import { result } from './replicas';
import { Stacks } from './stacks';

interface IProps {
  job: IJob;
  now: number;
  stacks: StacksModel;
  /** Show the log of a replica. */
  showLog: (replica: string, attempt: number | null) => void;
  trans: TranslationBundle;
}

/** What is wrong with a job and what can be done: who failed first, why, and where that stands. */
export function Cause({ job, now, stacks, showLog, trans }: IProps) {
  const { diagnosis, silent_since: silent } = job;
  const failed = firstFailure(job);
  const replica = diagnosis?.replica || (failed === null ? '' : replicaName(failed));
  const isOpen = isUnderWay(job.state);
  if (diagnosis === null && failed === null && silent === null) {
    return null;
  }
  const message =
    diagnosis?.message ??
    (silent === null
      ? ''
      : trans.__('Nothing was heard of this job since %1.', ago(silent, now, trans)));
  const traceback = diagnosis?.traceback || failed?.traceback || '';
  const summary =
    failed === null
      ? isOpen
        ? trans.__('Where %1 is', replica)
        : trans.__('Traceback of %1', replica)
      : trans.__('%1 failed first: %2', replicaName(failed), result(failed, trans));
  const attempt = diagnosis?.attempt ?? failed?.attempt ?? null;
  return (
    <section
      className="jp-dllab-Failure"
      data-kind={isOpen ? 'warning' : 'error'}
      aria-label={trans.__('What is wrong')}
    >
      {message ? <p className="jp-dllab-Failure-message">{message}</p> : null}
      {diagnosis?.hint ? <p>{diagnosis.hint}</p> : null}
      {traceback ? (
        <details open>
          <summary>{summary}</summary>
          <pre ref={toEnd} tabIndex={0} aria-label={trans.__('Traceback of %1', replica)}>
            {traceback}
          </pre>
        </details>
      ) : (
        <Lines
          summary={failed === null ? '' : summary}
          lines={diagnosis?.log ?? []}
          trans={trans}
        />
      )}
      <div className="jp-dllab-actions">
        {replica ? (
          <button
            type="button"
            className="jp-dllab-Button"
            onClick={() => showLog(replica, attempt)}
          >
            {trans.__('Log of %1', replica)}
          </button>
        ) : null}
        {isOpen && (silent !== null || diagnosis?.cause === 'stalled') ? (
          <button
            type="button"
            className="jp-dllab-Button"
            aria-disabled={stacks.isRunning}
            title={trans.__('Ask each replica which line of code it is at')}
            onClick={() => void stacks.read()}
          >
            {stacks.isRunning ? trans.__('Asking…') : trans.__('Where is each replica?')}
          </button>
        ) : null}
      </div>
      <Stacks model={stacks} trans={trans} />
    </section>
  );
}

/** What went wrong stands at the end of a traceback. */
function toEnd(node: HTMLElement | null): void {
  if (node !== null) {
    node.scrollTop = node.scrollHeight;
  }
}

/** The last lines of what crashed without a traceback. */
function Lines(props: { summary: string; lines: readonly string[]; trans: TranslationBundle }) {
  const { summary, lines, trans } = props;
  if (lines.length === 0) {
    return summary ? <p>{summary}</p> : null;
  }
  return (
    <details open>
      <summary>{summary || trans.__('Last lines')}</summary>
      <pre ref={toEnd} tabIndex={0} aria-label={trans.__('Last lines')}>
        {lines.join('\n')}
      </pre>
    </details>
  );
}
