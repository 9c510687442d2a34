import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILauncher } from '@jupyterlab/launcher';
import { ILab } from './lab';
import { CommandIDs, PluginIDs } from './tokens';

export const launcherPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.launcher,
  description: 'Adds tiles of the lab to the launcher.',
  autoStart: true,
  requires: [ILab, ILauncher],
  activate: (_, { boards, trans }: ILab, launcher: ILauncher) => {
    const category = trans.__('DL Lab');
    launcher.add({ command: CommandIDs.train, category, rank: 0 });
    launcher.add({ command: CommandIDs.deploy, category, rank: 1 });
    const offer = () => {
      if (boards.boards.length > 0) {
        boards.changed.disconnect(offer);
        launcher.add({ command: CommandIDs.boards, category, rank: 2 });
      }
    };
    boards.changed.connect(offer);
    boards.refresh(); // Not every lab has one.
  }
};
