import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import {
  addIcon,
  addToolbarButtonClass,
  PanelWithToolbar,
  ReactWidget,
  refreshIcon,
  SidePanel,
  ToolbarButtonComponent
} from '@jupyterlab/ui-components';
import type { AccordionPanel, Widget } from '@lumino/widgets';
import * as React from 'react';
import type { AlertsModel } from '../model/alerts';
import type { BoardsModel } from '../model/boards';
import type { DeploymentsModel } from '../model/deployments';
import type { EndpointsModel } from '../model/endpoints';
import type { GpusModel } from '../model/gpus';
import type { HostModel } from '../model/host';
import type { JobsModel } from '../model/jobs';
import type { Live } from '../model/live';
import type { ModelsModel } from '../model/models';
import type { IJobActions } from './actions';
import { type AlertActions, Alerts } from './alerts';
import { showLabError } from './cancel';
import type { IDeploymentActions } from './deployactions';
import { Gpus } from './gpus';
import { Machine } from './host';
import { historyIcon, labIcon } from './icons';
import { Jobs } from './jobs';
import { Models } from './models';
import { Section } from './section';

/** The panel of the left area: one section per noun. */
export class Sidebar extends SidePanel {
  constructor(options: Sidebar.IOptions) {
    const { gpus, alerts, host, jobs, boards, models, deployments, endpoints, trans } = options;
    const { actions, serving, alertActions } = options;
    super({ translator: options.translator });
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
    this._add({
      label: trans.__('GPUs'),
      refresh: trans.__('Read the GPUs now'),
      models: [gpus, alerts, host],
      body: () => (
        <>
          <Alerts model={alerts} user={gpus.user} actions={alertActions} trans={trans} />
          <Gpus model={gpus} trans={trans} />
          <Machine model={host} trans={trans} />
        </>
      )
    });
    this._add({
      label: trans.__('Training'),
      refresh: trans.__('Read the jobs now'),
      create: { label: trans.__('New training'), execute: () => actions.create() },
      all: { label: trans.__('All runs'), execute: () => actions.openHistory() },
      models: [jobs, boards],
      body: () => (
        <Jobs model={jobs} boards={boards} actions={actions} showMore={showMore} trans={trans} />
      )
    });
    this._models = this._add({
      label: trans.__('Models'),
      refresh: trans.__('Read models and deployments now'),
      create: { label: trans.__('New deployment'), execute: () => serving.create() },
      models: [deployments, models, endpoints],
      body: () => <Models {...{ models, deployments, endpoints, trans }} actions={serving} />
    });
    const accordion = this.content as AccordionPanel;
    const fit = ({ report }: GpusModel): void => {
      if (report !== null) {
        // A sentence needs less room than GPUs.
        accordion.setRelativeSizes([Math.min(6, 1.5 + report.gpus.length), 4, 4]);
        gpus.changed.disconnect(fit);
      }
    };
    accordion.setRelativeSizes([2, 4, 4]);
    gpus.changed.connect(fit);
  }

  /** Leave out the section about models. */
  withoutModels(): void {
    this._models.dispose();
  }

  private _add({ label, refresh, create, all, models, body }: ISection): Widget {
    const panel = new PanelWithToolbar();
    panel.title.label = label;
    panel.toolbar.node.setAttribute('aria-label', label);
    if (create !== undefined) {
      const { label: tooltip, execute: onClick } = create;
      panel.toolbar.addItem('new', toolButton({ icon: addIcon, tooltip, onClick }));
    }
    if (all !== undefined) {
      const { label: tooltip, execute: onClick } = all;
      panel.toolbar.addItem('all', toolButton({ icon: historyIcon, tooltip, onClick }));
    }
    panel.toolbar.addItem(
      'refresh',
      toolButton({
        icon: refreshIcon,
        tooltip: refresh,
        onClick: () => models.forEach(model => model.refresh())
      })
    );
    const section: Widget = new Section(models, body);
    panel.addWidget(section);
    this.addWidget(panel);
    return panel;
  }

  private readonly _models: Widget;
}

/** A button that does something. JupyterLab's `ToolbarButton` stays pressed after every other click. */
function toolButton(props: ToolbarButtonComponent.IProps): Widget {
  return addToolbarButtonClass(ReactWidget.create(<ToolbarButtonComponent {...props} />));
}

/** One section of the panel. */
interface ISection {
  label: string;
  /** What the refresh button says. */
  refresh: string;
  /** The button that makes a new one. */
  create?: { label: string; execute: () => void };
  /** The button that opens all there ever were. */
  all?: { label: string; execute: () => void };
  /** Watched while the section can be seen. */
  models: Live[];
  body: () => React.JSX.Element;
}

export namespace Sidebar {
  export interface IOptions {
    gpus: GpusModel;
    alerts: AlertsModel;
    host: HostModel;
    jobs: JobsModel;
    boards: BoardsModel;
    models: ModelsModel;
    deployments: DeploymentsModel;
    endpoints: EndpointsModel;
    actions: IJobActions;
    alertActions: AlertActions;
    serving: IDeploymentActions;
    translator: ITranslator;
    trans: TranslationBundle;
  }
}
