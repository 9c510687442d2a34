import type { TranslationBundle } from '@jupyterlab/translation';
import { type Message, MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import type { LabApi } from '../api';
import type { IPlace, ISources } from '../model/code';
import { QuoteModel, wishToPrice } from '../model/quote';
import { TrainForm } from '../model/trainform';
import type { IJob } from '../specs';
import { Section } from './section';
import { TrainFormView } from './trainform';

/** The form for a new training, in the main area. */
export class TrainTab extends Section {
  constructor({ api, sources, old, openLogs, openPlace, submitted, trans }: TrainTab.IOptions) {
    const form = new TrainForm(api, sources, trans, old);
    const quote = new QuoteModel(api.history, () => wishToPrice(form, trans));
    const submit = async () => {
      const job = await form.submit();
      if (job !== null) {
        submitted(job);
      }
    };
    super([form], () => (
      <TrainFormView
        form={form}
        quote={quote}
        submit={() => void submit()}
        openLogs={openLogs}
        openPlace={openPlace}
        trans={trans}
      />
    ));
    this.addClass('jp-dllab-FormTab');
    this.form = form;
    this._quote = quote;
    quote.changed.connect(() => this.update());
  }

  readonly form: TrainForm;

  override dispose(): void {
    super.dispose();
    this.form.dispose();
    this._quote.dispose();
  }

  protected override onUpdateRequest(msg: Message): void {
    super.onUpdateRequest(msg);
    this._quote.look();
  }

  protected override onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    // The tab itself gets the focus; its first field is better, once it is drawn.
    MessageLoop.sendMessage(this, Widget.Msg.UpdateRequest);
    void this.renderPromise?.then(() => {
      if (document.activeElement === this.node) {
        this.node.querySelector<HTMLElement>('input:not([type=radio])')?.focus();
      }
    });
  }

  private readonly _quote: QuoteModel;
}

export namespace TrainTab {
  export interface IOptions {
    api: LabApi;
    sources: ISources;
    /** The job that is run again; null for a new training. */
    old: IJob | null;
    openLogs: (id: string) => void;
    openPlace: (place: IPlace) => void;
    /** A job was submitted. */
    submitted: (job: IJob) => void;
    trans: TranslationBundle;
  }
}
