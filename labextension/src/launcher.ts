import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { terminalIcon } from '@jupyterlab/ui-components';
import { LabError } from './errors';
import { ILab } from './lab';
import type { ILabView } from './labview';
import { CommandIDs, PluginIDs } from './tokens';
import { showLabError } from './view/cancel';
import { labIcon } from './view/icons';

/** Milliseconds until a lab that did not answer is asked again what was picked. */
const AGAIN = 30_000;

export const launcherPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.launcher,
  description: 'Adds tiles of the lab to the launcher.',
  autoStart: true,
  requires: [ILab, ILauncher],
  activate: (app, { api, boards, servesNothing, trans }: ILab, launcher: ILauncher) => {
    const { commands } = app;
    const category = trans.__('DL Lab');
    launcher.add({ command: CommandIDs.train, category, rank: 0 });
    const serving = launcher.add({ command: CommandIDs.deploy, category, rank: 1 });
    void servesNothing.then(() => serving.dispose());
    const offer = () => {
      if (boards.boards.length > 0) {
        boards.changed.disconnect(offer);
        launcher.add({ command: CommandIDs.boards, category, rank: 2 });
      }
    };
    boards.changed.connect(offer);
    boards.refresh(); // Not every lab has one.

    const picked = (lab: ILabView): string =>
      [
        lab.title,
        lab.gpus > 0 ? trans._n('%1 GPU', '%1 GPUs', lab.gpus) : trans.__('CPU'),
        ...lab.volumes.map(volume => volume.title)
      ].join(' · ');
    const addTiles = (lab: ILabView): void => {
      commands.addCommand(CommandIDs.landing, {
        label: trans.__('This Lab'),
        caption: trans.__('What was picked, and ways into it: %1', picked(lab)),
        icon: labIcon,
        describedBy: { args: { type: 'object', properties: {} } },
        execute: () => {
          const url = new URL(lab.landing, app.serviceManager.serverSettings.baseUrl);
          if (/^https?:$/.test(url.protocol)) {
            window.open(url.href, '_blank', 'noopener');
          }
        }
      });
      launcher.add({ command: CommandIDs.landing, category, rank: 3 });
      const { ssh } = lab;
      if (ssh === null) {
        return;
      }
      commands.addCommand(CommandIDs.ssh, {
        label: trans.__('Copy SSH Command'),
        caption: trans.__('For a terminal of your own machine'),
        icon: terminalIcon,
        describedBy: { args: { type: 'object', properties: {} } },
        execute: () => {
          if (ssh.problem) {
            return showLabError(trans.__('SSH'), new LabError(ssh.problem), trans);
          }
          Clipboard.copyToSystem(ssh.command);
          Notification.success(
            trans.__('Copied. Run it once on your machine, then log in with: ssh %1', ssh.alias)
          );
          return undefined;
        }
      });
      launcher.add({ command: CommandIDs.ssh, category, rank: 4 });
    };
    const ask = (): void => {
      api.lab().then(addTiles, reason => {
        // Without a hub there is no such lab; while the server does not answer, others say so.
        if (!LabError.from(reason).isGone) {
          setTimeout(ask, AGAIN);
        }
      });
    };
    ask();
  }
};
