import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Signal } from '@lumino/signaling';
import * as React from 'react';
import { ILab } from './lab';
import { CapacityModel } from './model/capacity';
import { CommandIDs, PluginIDs } from './tokens';
import { Section } from './view/section';
import { Status } from './view/status';

export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.status,
  description: 'Adds GPUs, jobs and models in a few words to the status bar.',
  autoStart: true,
  requires: [ILab, IStatusBar],
  optional: [ISettingRegistry],
  activate: (app, lab: ILab, bar: IStatusBar, registry: ISettingRegistry | null) => {
    const { alerts, api, deployments, gpus, jobs, trans } = lab;
    const capacity = new CapacityModel(api);
    const open = () => void app.commands.execute(CommandIDs.open);
    const item = new Section(
      [capacity, jobs, deployments, alerts],
      () => React.createElement(Status, { alerts, capacity, deployments, gpus, jobs, open, trans }),
      model => model.follow()
    );
    item.addClass('jp-dllab-StatusItem');

    let alive = 0;
    jobs.changed.connect(() => {
      if (jobs.alive !== alive && item.isVisible) {
        capacity.refresh(); // Jobs take GPUs and give them back.
      }
      alive = jobs.alive;
    });
    capacity.changed.connect(() => {
      if (capacity.capacity?.total === 0 && gpus.report === null) {
        gpus.refresh(); // To say why.
      }
    });
    gpus.changed.connect(() => {
      if (capacity.capacity?.total === 0) {
        item.update(); // It says why there is none.
      }
    });

    let wanted = registry === null;
    const changed = new Signal<object, void>(item);
    bar.registerStatusItem(PluginIDs.status, {
      item,
      align: 'left',
      rank: 50,
      isActive: () => wanted,
      activeStateChanged: changed
    });
    void app.restored.then(async () => {
      const settings = await registry?.load(PluginIDs.sidebar);
      const apply = () => {
        wanted = settings?.get('statusBar').composite !== false;
        changed.emit();
      };
      apply();
      settings?.changed.connect(apply);
    });
  }
};
