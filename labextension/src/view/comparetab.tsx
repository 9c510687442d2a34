import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { LabApi } from '../api';
import { CompareModel } from '../model/compare';
import type { IJobActions } from './actions';
import { Compare } from './compare';
import { Section } from './section';

/** Some runs beside each other, in the main area. */
export class CompareTab extends Section {
  constructor(api: LabApi, ids: readonly string[], actions: IJobActions, trans: TranslationBundle) {
    const model = new CompareModel(api.history, ids);
    super([model], () => <Compare model={model} actions={actions} trans={trans} />);
    this.addClass('jp-dllab-HistoryTab');
    this.model = model;
  }

  readonly model: CompareModel;

  override dispose(): void {
    super.dispose();
    this.model.dispose();
  }
}
