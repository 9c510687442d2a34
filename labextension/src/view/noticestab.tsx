import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { LabApi } from '../api';
import { NoticeForm } from '../model/noticeform';
import { Notices } from './notices';
import { Section } from './section';

/** How the person is told of what became of their jobs, in the main area. */
export class NoticesTab extends Section {
  constructor(api: LabApi, trans: TranslationBundle) {
    const form = new NoticeForm(api.history);
    super([form], () => <Notices form={form} trans={trans} />);
    this.addClass('jp-dllab-FormTab');
    this._form = form;
  }

  override dispose(): void {
    super.dispose();
    this._form.dispose();
  }

  private readonly _form: NoticeForm;
}
