import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { PanelWithToolbar, refreshIcon, SidePanel, ToolbarButton } from '@jupyterlab/ui-components';
import type { AccordionPanel, Widget } from '@lumino/widgets';
import * as React from 'react';
import type { BoardsModel } from '../model/boards';
import type { GpusModel } from '../model/gpus';
import type { JobsModel } from '../model/jobs';
import type { Live } from '../model/live';
import type { IJobActions } from './actions';
import { showLabError } from './cancel';
import { Gpus } from './gpus';
import { labIcon } from './icons';
import { Jobs } from './jobs';
import { Section } from './section';

/** The panel of the left area: one section per noun. */
export class Sidebar extends SidePanel {
  constructor({ gpus, jobs, boards, actions, translator, trans }: Sidebar.IOptions) {
    super({ translator });
    this.id = 'dllab-sidebar';
    this.addClass('jp-dllab-Sidebar');
    this.title.icon = labIcon;
    this.title.caption = trans.__('DL Lab');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('DL Lab'));

    const showMore = () =>
      void jobs
        .showMore()
        .catch(reason => showLabError(trans.__('Older jobs could not be read'), reason, trans));
    this._add(trans.__('GPUs'), trans.__('Read the GPUs now'), gpus, [gpus], () => (
      <Gpus model={gpus} trans={trans} />
    ));
    this._add(trans.__('Training'), trans.__('Read the jobs now'), jobs, [jobs, boards], () => (
      <Jobs model={jobs} boards={boards} actions={actions} showMore={showMore} trans={trans} />
    ));
    const accordion = this.content as AccordionPanel;
    accordion.setRelativeSizes([1, 2]);
    const fit = ({ report }: GpusModel): void => {
      if (report?.gpus.length === 0) {
        accordion.setRelativeSizes([1, 5]); // A sentence needs less room than GPUs.
      }
      if (report !== null) {
        gpus.changed.disconnect(fit);
      }
    };
    gpus.changed.connect(fit);
  }

  private _add(
    label: string,
    refreshLabel: string,
    main: Live,
    models: Live[],
    body: () => React.JSX.Element
  ): void {
    const panel = new PanelWithToolbar();
    panel.title.label = label;
    panel.toolbar.addItem(
      'refresh',
      new ToolbarButton({ icon: refreshIcon, tooltip: refreshLabel, onClick: () => main.refresh() })
    );
    const section: Widget = new Section(models, body);
    panel.addWidget(section);
    this.addWidget(panel);
  }
}

export namespace Sidebar {
  export interface IOptions {
    gpus: GpusModel;
    jobs: JobsModel;
    boards: BoardsModel;
    actions: IJobActions;
    translator: ITranslator;
    trans: TranslationBundle;
  }
}
