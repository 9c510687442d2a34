import * as React from 'react';
import type { DraftField } from '../model/draft';
import type { TrainForm } from '../model/trainform';
import type { IControl } from './field';

/** What the parts of the form make their fields with. */
export interface IFieldControls {
  set(field: DraftField, value: string): void;
  /** What a field needs beside its label. */
  props(field: DraftField): { id: string; error: string };
  text(
    field: DraftField,
    more?: React.InputHTMLAttributes<HTMLInputElement>
  ): (control: IControl) => React.JSX.Element;
  whole(field: DraftField, min: number, max?: number): (control: IControl) => React.JSX.Element;
}

/** The controls of a form. Its first field that is wrong gets the focus after each refusal. */
export function useFields(form: TrainForm, order: readonly DraftField[]): IFieldControls {
  const { draft, problems } = form;
  const id = React.useId();
  // The page draws after each change, but a control must show what is typed at once.
  const [, typed] = React.useState(draft);
  React.useEffect(() => {
    const wrong = order.find(field => problems[field]);
    if (wrong !== undefined) {
      document.getElementById(`${id}-${wrong}`)?.focus();
    }
  }, [form.refusals]);
  const set = (field: DraftField, value: string): void => {
    form.set(field, value);
    typed(form.draft);
  };
  const text: IFieldControls['text'] = (field, more = {}) =>
    function Text(control) {
      return (
        <input
          type="text"
          className="jp-dllab-Input"
          autoComplete="off"
          spellCheck={false}
          value={draft[field]}
          onChange={event => set(field, event.target.value)}
          {...more}
          {...control}
        />
      );
    };
  return {
    set,
    props: field => ({ id: `${id}-${field}`, error: problems[field] ?? '' }),
    text,
    whole: (field, min, max) =>
      text(field, { type: 'number', min, max, step: 1, inputMode: 'numeric' })
  };
}
