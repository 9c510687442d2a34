import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import { type IScaleDraft, SCALE_FIELDS, type ScaleField } from '../model/autoscale';
import type { DeployField } from '../model/deployfields';
import type { DeployForm } from '../model/deployform';
import type { ModelsModel } from '../model/models';
import { REPLICA, REPLICA_FIELDS } from '../model/replica';
import { MAX_REPLICAS } from '../serving';
import { EachReplica } from './deployreplica';
import { Version } from './deploysource';
import { Field } from './field';

interface IProps {
  form: DeployForm;
  models: ModelsModel;
  set: DeployForm['set'];
  props: (name: DeployField) => { id: string; error: string };
  /** Show at once what was typed. */
  draw: () => void;
  trans: TranslationBundle;
}

/** What few people need: closed, unless something stands there that is not what all begin with. */
export function DeployMore({ form, models, set, props, draw, trans }: IProps) {
  const id = React.useId();
  const { field, follow, source } = form;
  const isWrong =
    field === 'version' || [...SCALE_FIELDS, ...REPLICA_FIELDS].some(each => each === field);
  const isUnusual =
    follow ||
    REPLICA_FIELDS.some(each => form.each[each] !== REPLICA[each]) ||
    (source === 'model' && form.version !== null);
  const [open, setOpen] = React.useState(isUnusual);
  React.useEffect(() => setOpen(open || isUnusual || isWrong), [isUnusual, isWrong]);
  return (
    <details
      className="jp-dllab-Form-more"
      open={open || isWrong}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>{trans.__('More')}</summary>
      <div className="jp-dllab-Form-inner">
        {source === 'model' ? <Version {...{ form, models, set, props, trans }} /> : null}
        <EachReplica {...{ form, props, draw, trans }} />
        <div>
          <label className="jp-dllab-Form-check" htmlFor={id}>
            <input
              id={id}
              type="checkbox"
              checked={follow}
              aria-describedby={`${id}-hint`}
              onChange={event => set({ follow: event.target.checked })}
            />
            {trans.__('Follow the load')}
          </label>
          <div id={`${id}-hint`} className="jp-dllab-Field-hint">
            {trans.__(
              'Replicas are added while requests pile up and end when they are not needed.'
            )}
          </div>
        </div>
        {follow ? (
          <Scale
            draft={form.scale}
            gpus={form.hasGpus}
            signal={signal => {
              form.setSignal(signal);
              draw();
            }}
            props={props}
            change={(name, value) => {
              form.setScale(name, value);
              draw();
            }}
            trans={trans}
          />
        ) : null}
      </div>
    </details>
  );
}

interface IScaleProps {
  draft: IScaleDraft;
  /** Whether there are GPUs whose load could be followed. */
  gpus: boolean;
  signal: (signal: IScaleDraft['signal']) => void;
  props: IProps['props'];
  change: (field: ScaleField, value: string) => void;
  trans: TranslationBundle;
}

/** Between how many replicas, and what one of them is there for. */
function Scale({ draft, gpus, signal, props, change, trans }: IScaleProps) {
  const id = React.useId();
  const number = (name: ScaleField, label: string, hint: string, bounds: object) => (
    <Field {...props(name)} label={label} hint={hint}>
      {control => (
        <input
          {...control}
          {...bounds}
          type="number"
          className="jp-dllab-Input"
          value={draft[name]}
          onChange={event => change(name, event.target.value)}
        />
      )}
    </Field>
  );
  const replicas = { max: MAX_REPLICAS, step: 1 };
  return (
    <div className="jp-dllab-Form-pair">
      {gpus ? (
        <Field id={id} label={trans.__('Replicas follow')}>
          {control => (
            <HTMLSelect
              {...control}
              value={draft.signal}
              onChange={event => signal(event.target.value as IScaleDraft['signal'])}
            >
              <option value="inflight">{trans.__('the requests')}</option>
              <option value="gpu">{trans.__('the load of their GPUs')}</option>
            </HTMLSelect>
          )}
        </Field>
      ) : null}
      {number('min', trans.__('Fewest replicas'), trans.__('With 0 none runs while nobody asks.'), {
        ...replicas,
        min: 0
      })}
      {number('max', trans.__('Most replicas'), trans.__('However many requests come.'), {
        ...replicas,
        min: 1
      })}
      {draft.signal === 'gpu'
        ? number('target', trans.__('GPU load'), trans.__('Of each replica, from 0 to 1.'), {
            min: 0,
            max: 1,
            step: 'any'
          })
        : number(
            'target',
            trans.__('Requests per replica'),
            trans.__('That are with it or wait for it; more than that adds one.'),
            { min: 0, step: 'any' }
          )}
      {Number(draft.min) === 0 && draft.min.trim() !== ''
        ? number(
            'idle',
            trans.__('Idle time, minutes'),
            trans.__(
              'Without a request, until the last one ends. The next request waits for a start.'
            ),
            { min: 0, step: 'any' }
          )
        : null}
    </div>
  );
}
