import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { type IScaleDraft, SCALE_FIELDS, type ScaleField } from '../model/autoscale';
import type { DeployField, DeployForm } from '../model/deployform';
import type { ModelsModel } from '../model/models';
import { MAX_REPLICAS } from '../serving';
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
  const isWrong = field === 'version' || SCALE_FIELDS.some(each => each === field);
  const isUnusual = follow || (source === 'model' && form.version !== null);
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
  props: IProps['props'];
  change: (field: ScaleField, value: string) => void;
  trans: TranslationBundle;
}

/** Between how many replicas, and what one of them is there for. */
function Scale({ draft, props, change, trans }: IScaleProps) {
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
