import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { DeployField } from '../model/deployfields';
import type { DeployForm } from '../model/deployform';
import type { DeploymentsModel } from '../model/deployments';
import type { ModelsModel } from '../model/models';
import { scaleFlaw } from '../model/autoscale';
import { replicaFlaw } from '../model/replica';
import { MAX_REPLICAS } from '../serving';
import { DeployMore } from './deploymore';
import { Published, Source } from './deploysource';
import { Field, type IControl, useFocusOn } from './field';
import { FormTrouble, Trouble } from './notice';

interface IProps {
  form: DeployForm;
  models: ModelsModel;
  deployments: DeploymentsModel;
  /** Deploy, and show the deployment. */
  submit: () => void;
  trans: TranslationBundle;
}

/** The form for a new deployment. */
export function DeployFormView({ form, models, deployments, submit, trans }: IProps) {
  const id = React.useId();
  const { error, field, step } = form;
  // The page draws after each change, but a control must show what is typed at once.
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  const set = (change: Parameters<DeployForm['set']>[0]) => {
    form.set(change);
    draw();
  };
  useFocusOn(id, field, error);
  const props = (name: DeployField) => ({
    id: `${id}-${name}`,
    error: field === name ? (error?.sentence ?? flawLabel(name, form, trans)) : ''
  });
  const input = (name: 'path' | 'publishAs' | 'name', list?: string) =>
    function Text(control: IControl) {
      return (
        <input
          {...control}
          type="text"
          className="jp-dllab-Input"
          autoComplete="off"
          spellCheck={false}
          list={list}
          value={form[name]}
          onChange={event => set({ [name]: event.target.value })}
        />
      );
    };
  const title = form.begun ? trans.__('Change %1', form.begun) : trans.__('New deployment');
  const replaced = deployments.deployments?.find(({ name }) => name === form.name);
  return (
    <form
      className="jp-dllab-Form"
      aria-label={title}
      noValidate
      onSubmit={event => {
        event.preventDefault();
        submit();
      }}
    >
      <h2>{title}</h2>
      <p className="jp-dllab-dim">
        {trans.__(
          'Serves a model at a URL of its own. It goes on when you close this tab, the notebook or the browser.'
        )}
      </p>
      <Trouble model={models} trans={trans} />
      <Source form={form} set={set} trans={trans} />
      {form.source === 'model' ? (
        <Published {...{ form, models, set, props, trans }} />
      ) : (
        <>
          <Field
            {...props('path')}
            label={trans.__('Model file')}
            hint={trans.__(
              'ONNX, torch.export, TorchScript or a SavedModel, from the root of your files. It is copied: later changes of it do nothing.'
            )}
          >
            {input('path', `${id}-paths`)}
          </Field>
          <datalist id={`${id}-paths`}>
            {form.paths.map(path => (
              <option key={path} value={path} />
            ))}
          </datalist>
          <Field
            {...props('publishAs')}
            label={trans.__('Publish as')}
            hint={publishHint(form, models, trans)}
          >
            {input('publishAs')}
          </Field>
        </>
      )}
      <Field
        {...props('name')}
        label={trans.__('Name of the deployment')}
        hint={
          replaced === undefined
            ? trans.__('Part of its URL.')
            : trans.__('%1 is served already: it is replaced without a failed request.', form.name)
        }
      >
        {input('name')}
      </Field>
      <Field
        {...props('replicas')}
        label={trans.__('Replicas')}
        hint={
          form.follow
            ? trans.__('At first; then as many as the load needs.')
            : trans.__(
                'Processes that share the requests. With two or more, callers do not notice when one crashes.'
              )
        }
      >
        {control => (
          <input
            {...control}
            type="number"
            className="jp-dllab-Input"
            min={1}
            max={MAX_REPLICAS}
            step={1}
            defaultValue={form.replicas}
            onChange={event => set({ replicas: Number(event.target.value) })}
          />
        )}
      </Field>
      <DeployMore {...{ form, models, set, props, trans }} draw={draw} />
      <FormTrouble form={form} />
      <button
        type="submit"
        className="jp-dllab-Button jp-dllab-mod-main"
        aria-disabled={step !== null}
        aria-live="polite"
      >
        {step === 'publishing'
          ? trans.__('Publishing…')
          : step === 'deploying'
            ? trans.__('Deploying…')
            : trans.__('Deploy')}
      </button>
    </form>
  );
}

function publishHint(form: DeployForm, { models }: ModelsModel, trans: TranslationBundle): string {
  const known = models?.find(({ name }) => name === form.publishAs);
  return known === undefined
    ? trans.__('The model’s name; the file becomes its version 1.')
    : trans.__('The file becomes version %1 of this model.', known.versions[0].version + 1);
}

/** What a field lacks that cannot be sent as it is. */
function flawLabel(field: DeployField, form: DeployForm, trans: TranslationBundle): string {
  switch (field) {
    case 'min':
    case 'max':
    case 'target':
    case 'idle':
    case 'gpus':
    case 'cpus':
    case 'size':
    case 'wait': {
      const flaw = replicaFlaw(form.each) ?? scaleFlaw(form.scale);
      const { least = 0, most = 0, whole = false } = flaw ?? {};
      return whole
        ? trans.__('Give a whole number from %1 to %2.', least, most)
        : trans.__('Give a number from %1 to %2.', least, most);
    }
    case 'model':
      return trans.__('Choose a model.');
    case 'path':
      return trans.__('Name a model file of your lab, such as net.onnx.');
    case 'replicas':
      return trans.__('Give a whole number from %1 to %2.', 1, MAX_REPLICAS);
    default:
      return trans.__(
        'A name has 1 to 40 lower-case letters, digits and hyphens, and starts and ends with a letter or digit.'
      );
  }
}
