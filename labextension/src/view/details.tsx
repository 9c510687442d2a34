import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { secondsText } from '../amounts';
import { duration, rolesLabel, size } from '../format';
import type { IEnvironment, IJobRecord } from '../history';
import type { EventsModel, RecordModel } from '../model/details';
import type { JobModel } from '../model/job';
import type { IJob } from '../specs';
import { joinWords } from '../words';
import { Notes } from './annotations';
import { Events } from './events';
import { Notice, Trouble } from './notice';

interface IProps {
  job: JobModel;
  events: EventsModel;
  record: RecordModel;
  trans: TranslationBundle;
}

/** The wish, what it ran in, what it left, what happened, and what was written about it. */
export function Details({ job: model, events, record, trans }: IProps) {
  const { job } = model;
  if (job === null) {
    return <Notice message={trans.__('Reading…')} />;
  }
  return (
    <div className="jp-dllab-Details">
      <Notes model={model} trans={trans} />
      <h3>{trans.__('What was asked for')}</h3>
      <Pairs pairs={wish(job, trans)} />
      <Trouble model={record} trans={trans} />
      {record.record === null ? null : <Record record={record.record} trans={trans} />}
      <h3>{trans.__('What happened')}</h3>
      <Trouble model={events} trans={trans} />
      <Events events={events.events} trans={trans} />
      <Code job={job} trans={trans} />
    </div>
  );
}

function Record({ record, trans }: { record: IJobRecord; trans: TranslationBundle }) {
  const { artefacts, environment, files } = record;
  return (
    <>
      <Environment environment={environment} trans={trans} />
      {artefacts.length > 0 ? (
        <>
          <h3>{trans.__('What it left')}</h3>
          <Files
            files={artefacts.map(({ path, size: bytes, time }) => [
              path,
              `${size(bytes)}, ${new Date(1000 * time).toLocaleString()}`
            ])}
          />
        </>
      ) : null}
      {files.length > 0 ? (
        <details>
          <summary>{trans.__('Files that travelled with it (%1)', files.length)}</summary>
          <Files files={files.map(({ path, size: bytes }) => [path, size(bytes)])} />
        </details>
      ) : null}
    </>
  );
}

function Environment(props: { environment: IEnvironment | null; trans: TranslationBundle }) {
  const { environment, trans } = props;
  if (environment === null) {
    return null;
  }
  const { image, title, python, packages, overlay } = environment;
  const list = (versions: Record<string, string>) =>
    Object.entries(versions).sort(([a], [b]) => a.localeCompare(b));
  return (
    <>
      <h3>{trans.__('What it ran in')}</h3>
      <Pairs
        pairs={[
          [trans.__('Image'), title ? `${title} (${image})` : image],
          // Of an image on a cluster it is not known.
          ...(python ? [[trans.__('Python'), python] as [string, string]] : [])
        ]}
      />
      {Object.keys(overlay).length > 0 ? (
        <details open>
          <summary>{trans.__('Installed in the lab (%1)', Object.keys(overlay).length)}</summary>
          <Files files={list(overlay)} />
        </details>
      ) : null}
      {Object.keys(packages).length > 0 ? (
        <details>
          <summary>{trans.__('Packages of the image (%1)', Object.keys(packages).length)}</summary>
          <Files files={list(packages)} />
        </details>
      ) : null}
    </>
  );
}

function Code({ job, trans }: { job: IJob; trans: TranslationBundle }) {
  const { filename, files, source } = job.spec.code;
  const all: [string, string][] = [
    ...(source ? [[filename, source] as [string, string]] : []),
    ...Object.entries(files)
  ];
  return (
    <>
      {all.length > 0 ? <h3>{trans.__('Code')}</h3> : null}
      {all.map(([path, text]) => (
        <details key={path}>
          <summary>{path}</summary>
          <pre tabIndex={0} className="jp-dllab-Code">
            {text}
          </pre>
        </details>
      ))}
    </>
  );
}

/** What of a wish is worth telling: pairs of a name and its value. */
function wish(job: IJob, trans: TranslationBundle): [string, string][] {
  const { spec } = job;
  const { code, git } = spec;
  const each = spec.roles.map(({ gpus }) => gpus).filter(gpus => gpus > 0);
  const pairs: [string, string][] = [
    [trans.__('Where'), spec.target ?? ''],
    [trans.__('Image'), spec.image],
    [trans.__('Strategy'), `${spec.strategy}, ${rolesLabel(spec, trans)}`],
    [trans.__('GPUs each'), each.join(', ')],
    [trans.__('Code'), code.kind === 'module' ? (code.module ?? '') : code.filename],
    [trans.__('Arguments'), joinWords(code.args)],
    [
      trans.__('Environment'),
      joinWords(Object.entries(spec.env).map(([key, value]) => `${key}=${value}`))
    ],
    [trans.__('Volumes'), spec.volumes.join(', ')],
    [trans.__('Time limit'), spec.time_limit ? secondsText(spec.time_limit) : ''],
    [trans.__('Restarts'), trans.__('at most %1', spec.max_restarts)],
    [
      trans.__('Stalls after'),
      spec.stall_after
        ? `${secondsText(spec.stall_after)}, ${spec.on_stall === 'relaunch' ? trans.__('then it is launched again') : trans.__('then it is told')}`
        : ''
    ],
    [
      trans.__('Commit'),
      git
        ? [
            git.commit.slice(0, 12),
            git.branch,
            git.dirty ? trans.__('with changes that are not in it') : '',
            git.remote
          ]
            .filter(Boolean)
            .join(' · ')
        : ''
    ],
    [trans.__('Workspace'), job.files ? job.workspace : trans.__('Its files were removed.')],
    [
      trans.__('GPU time'),
      job.gpu_seconds > 0 ? trans.__('%1 (GPUs × time)', duration(job.gpu_seconds, trans)) : ''
    ],
    [trans.__('Submitted'), new Date(1000 * job.created).toLocaleString()]
  ];
  return pairs.filter(([, value]) => value !== '');
}

function Pairs({ pairs }: { pairs: readonly [string, string][] }) {
  return (
    <dl className="jp-dllab-Pairs">
      {pairs.map(([name, value]) => (
        <React.Fragment key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </React.Fragment>
      ))}
    </dl>
  );
}

function Files({ files }: { files: readonly [string, string][] }) {
  return (
    <table className="jp-dllab-Replicas">
      <tbody>
        {files.map(([name, what]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{what}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
